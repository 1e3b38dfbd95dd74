import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { gatewayVersion } from '../../src/cli/init/gateway-version.ts'
import { variableNames } from '../../src/config/environment.ts'
import { schemaLine } from '../../src/config/schema-line.ts'
import { gatehouse } from './gatehouse.ts'

const version = gatewayVersion()
const names = ['.env.example', 'compose.gatehouse.yaml', 'gatehouse.toml', 'test_gatehouse.py']

t.test('an empty folder gets a policy, a compose file, variables and a test, and nothing else', async (t) => {
  const cwd = t.testdir()
  const { status, stdout, stderr } = await gatehouse(['init'], cwd)
  t.equal(stderr, '')
  t.equal(status, 0)
  t.same((await readdir(cwd)).sort(), names)
  for (const name of names) t.ok(stdout.includes(`wrote   ${name}\n`), name)
  t.match(stdout, /^ {2}gatehouse dev main:app$/m)
  t.match(stdout, '.gitignore should name .data and .env')

  const [schema = ''] = (await readFile(join(cwd, 'gatehouse.toml'), 'utf8')).split('\n')
  t.equal(schema, schemaLine(cwd), 'editors find what completes it')
  const routes = await gatehouse(['routes'], cwd)
  t.equal(routes.status, 0, 'the policy can be used')
  t.notMatch(routes.stdout, /^(public|optional)/m, 'and opens nothing')

  const variables = await readFile(join(cwd, '.env.example'), 'utf8')
  for (const [, name = '', value = ''] of variables.matchAll(/^#?([A-Z][A-Z_]+)=(.*)$/gm)) {
    t.ok(
      [...variableNames, 'GATEHOUSE_PORT', 'GATEHOUSE_DATABASE_URL', 'GATEHOUSE_DATABASE_URL_UNPOOLED'].includes(name),
      name
    )
    if (/SECRET|TOKEN|DATABASE/.test(name)) t.equal(value, '', `${name} is not given a value`)
  }
  t.notMatch(variables, /^[^#\n]/m, 'every line is switched off')
  t.match(await readFile(join(cwd, 'compose.gatehouse.yaml'), 'utf8'), `image: gatehouse:${version}\n`)
})

t.test('in TypeScript, where that is asked for', async (t) => {
  const cwd = t.testdir({ 'package.json': '{ "type": "commonjs" }' })
  t.match(await gatehouse(['init', '--typescript'], cwd), { status: 0, stdout: /^wrote {3}gatehouse\.config\.ts$/m })
  t.notOk((await readdir(cwd)).includes('gatehouse.toml'))
  const again = await gatehouse(['init'], cwd)
  t.match(again, { status: 0, stdout: /^exists {2}gatehouse\.config\.ts, which stays as it is$/m })
  t.notOk((await readdir(cwd)).includes('gatehouse.toml'), 'two policies would be an error')
  t.match(await readFile(join(cwd, 'compose.gatehouse.yaml'), 'utf8'), 'target: /etc/gatehouse/gatehouse.config.ts')
})

t.test('a policy in pyproject.toml is a policy', async (t) => {
  const cwd = t.testdir({ 'pyproject.toml': '[tool.gatehouse]\nroutes = []\n' })
  t.match(await gatehouse(['init'], cwd), { status: 0, stdout: /^exists {2}pyproject\.toml, which stays as it is$/m })
  t.notOk((await readdir(cwd)).some((name) => name.startsWith('gatehouse.')))
  t.match(await readFile(join(cwd, 'compose.gatehouse.yaml'), 'utf8'), 'GATEHOUSE_CONFIG=/etc/gatehouse/pyproject.toml')
})

t.test('a policy that GATEHOUSE_CONFIG names is mounted from where it is', async (t) => {
  const cwd = t.testdir({ 'my $files': { 'shop.toml': 'routes = []\n' } })
  const named = { GATEHOUSE_CONFIG: 'my $files/shop.toml' }
  t.match(await gatehouse(['init'], cwd, named), { status: 0, stdout: /^exists {2}my \$files\/shop\.toml/m })
  const compose = await readFile(join(cwd, 'compose.gatehouse.yaml'), 'utf8')
  t.match(compose, 'source: "./my $$files/shop.toml"\n      target: /etc/gatehouse/shop.toml\n')
  t.match(compose, '- GATEHOUSE_CONFIG=/etc/gatehouse/shop.toml\n')
})

t.test('in the image it is about the folder as well', async (t) => {
  const env = { GATEHOUSE_POLICY_FOLDER: '/etc/gatehouse', NODE_ENV: 'production' }
  const cwd = t.testdir({ 'gatehouse.config.ts': 'export default {}', 'api.json': '{"openapi":"3.1.0","paths":{}}' })
  const { status, stdout } = await gatehouse(['init', '--from-openapi', 'api.json'], cwd, env)
  t.equal(status, 0)
  t.match(stdout, /^exists {2}gatehouse\.config\.ts/m)
  t.notOk((await readdir(cwd)).includes('gatehouse.toml'))
})

t.test('nothing that is there is overwritten, and the rest is written all the same', async (t) => {
  const mine = { 'gatehouse.toml': 'routes = []\n', '.env.example': 'MINE=1\n', 'test_gatehouse.py': '# mine\n' }
  const cwd = t.testdir(mine)
  const { status, stdout } = await gatehouse(['init'], cwd)
  t.equal(status, 0)
  for (const [name, text] of Object.entries(mine)) {
    t.equal(await readFile(join(cwd, name), 'utf8'), text, name)
    t.ok(stdout.includes(`exists  ${name}, which stays as it is\n`), name)
  }
  t.match(stdout, /^wrote {3}compose\.gatehouse\.yaml$/m)
  const before = await Promise.all(names.map((name) => readFile(join(cwd, name), 'utf8')))
  t.notMatch((await gatehouse(['init'], cwd)).stdout, /^wrote/m)
  t.same(await Promise.all(names.map((name) => readFile(join(cwd, name), 'utf8'))), before)
})

t.test('no link is followed out of the folder', async (t) => {
  const root = t.testdir({ project: {}, elsewhere: {} })
  const cwd = join(root, 'project')
  await symlink(join(root, 'elsewhere'), join(cwd, 'tests'))
  await symlink(join(root, 'elsewhere', 'compose'), join(cwd, 'compose.gatehouse.yaml'))
  await symlink(join(root, 'nowhere'), join(cwd, '.env.example'))
  const { status, stdout } = await gatehouse(['init'], cwd)
  t.equal(status, 1, 'what could not be written is a failure')
  t.match(stdout, /^failed {2}tests\/test_gatehouse\.py: a link leads out of this folder$/m)
  for (const name of ['compose.gatehouse.yaml', '.env.example']) t.ok(stdout.includes(`exists  ${name}`), name)
  t.match(stdout, /^wrote {3}gatehouse\.toml$/m)
  t.same(await readdir(join(root, 'elsewhere')), [])
})

t.test(
  'what cannot be written is said, and the exit status is 1',
  { skip: process.getuid?.() === 0 && 'root writes everywhere' },
  async (t) => {
    const cwd = t.testdir({ locked: {} })
    await chmod(join(cwd, 'locked'), 0o555)
    t.match(await gatehouse(['init'], join(cwd, 'locked')), {
      status: 1,
      stdout: /^failed {2}gatehouse\.toml: EACCES$/m
    })
  }
)

t.test('it fits what is there: the app, its service, its tests, the command', async (t) => {
  const compose =
    'name: shop\nservices:\n  # the shop\n  db:\n    image: postgres:17\n  web:\n    build: .\n    ports: ["8000:8000"]\nvolumes:\n  db: {}\n'
  const cwd = t.testdir({
    app: { 'main.py': '' },
    tests: {},
    'docker-compose.yml': compose,
    '.gitignore': '/.data/\n.env\n',
    node_modules: { '.bin': { gatehouse: '' } }
  })
  const { status, stdout } = await gatehouse(['init'], cwd)
  t.equal(status, 0)
  t.match(stdout, /^ {2}npx --no-install gatehouse dev app\.main:app$/m)
  t.match(stdout, /^ {2}docker compose -f docker-compose\.yml -f compose\.gatehouse\.yaml up --build --wait$/m)
  t.notMatch(stdout, /^!/m, 'nothing is left to say')
  const written = await readFile(join(cwd, 'compose.gatehouse.yaml'), 'utf8')
  t.match(written, 'UPSTREAM_URL=http://web:8000')
  t.match(written, /^ {2}web:\n {4}ports: !reset \[\]$/m)
  t.match(await readFile(join(cwd, 'tests/test_gatehouse.py'), 'utf8'), /^from app\.main import app$/m)
  t.equal(await readFile(join(cwd, 'docker-compose.yml'), 'utf8'), compose)
})

t.test('a policy that cannot be read, or an app that cannot, ends it before anything is written', async (t) => {
  const cwd = t.testdir({ 'openapi.json': '{}' })
  for (const source of ['openapi.json', 'nowhere.json', 'http://canary:canary@127.0.0.1:1/']) {
    const { status, stdout, stderr } = await gatehouse(['init', '--from-openapi', source], cwd)
    t.equal(status, 2, source)
    t.equal(stdout, '')
    t.match(stderr, /^--from-openapi: the document [^\n]+\n$/)
    t.notMatch(stderr, 'canary')
  }
  t.same(await readdir(cwd), ['openapi.json'])
  const named = await gatehouse(['init'], cwd, { GATEHOUSE_CONFIG: 'missing.toml' })
  t.match(named, { status: 2, stdout: '', stderr: /^GATEHOUSE_CONFIG: / })
  t.same(await readdir(cwd), ['openapi.json'])
  await mkdir(join(cwd, 'broken'))
  await writeFile(join(cwd, 'broken', 'gatehouse.toml'), 'routes = [')
  await writeFile(join(cwd, 'broken', 'api.json'), '{"openapi":"3.1.0","paths":{}}')
  t.equal((await gatehouse(['init', '--from-openapi', 'api.json'], join(cwd, 'broken'))).status, 2)
  t.same((await readdir(join(cwd, 'broken'))).sort(), ['api.json', 'gatehouse.toml'])
})
