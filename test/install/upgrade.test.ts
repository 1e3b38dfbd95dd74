import { execFile } from 'node:child_process'
import { copyFile, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { blockWith, root } from '../docs/documents.ts'
import { Browser } from '../support/browser.ts'
import { builtWheels, withoutWheels } from '../support/built-wheels.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { freePort } from '../support/ports.ts'
import { startPostgres } from '../support/postgres.ts'
import { allPythons } from '../support/python.ts'
import { newcomer, realPython, seconds } from './newcomer.ts'

const run = promisify(execFile)
const { version }: { version: string } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
const next = version.replace(/\d+$/, (patch) => String(Number(patch) + 1))
const migration = '0099_one_more'

/** A project with users, as an operator has it. */
interface Project {
  readonly database: string
  readonly env: Readonly<Record<string, string>>
  readonly browser: Browser
}

t.test('an upgrade signs nobody out', { skip: await withoutWheels() }, async (t) => {
  const postgres = await startPostgres(t)
  const upstream = await startEchoUpstream(t)
  const { oldest } = await allPythons()
  t.comment(`CPython ${oldest.version}`)
  const somebody = await newcomer(t, { python3: realPython(oldest.command) })
  const { folder, programs } = somebody
  const bin = join(folder, '.venv', 'bin')
  const active = { PATH: `${bin}:${programs}`, VIRTUAL_ENV: join(folder, '.venv'), PIP_DISABLE_PIP_VERSION_CHECK: '1' }
  const putWheels = async (from: string) => {
    await rm(join(folder, 'dist'), { recursive: true, force: true })
    await mkdir(join(folder, 'dist'))
    for (const file of await readdir(from))
      if (file.endsWith('.whl')) await copyFile(join(from, file), join(folder, 'dist', file))
  }
  await somebody.types('python3 -m venv .venv')
  await putWheels((await builtWheels()).folder)
  await somebody.types('pip install --quiet ./dist/*.whl', active)

  const databases = { PostgreSQL: { DATABASE_URL: await postgres.createDatabase() }, 'the embedded database': {} }
  const projects: Project[] = []
  for (const [database, variables] of Object.entries(databases)) {
    const port = String(await freePort())
    projects.push({
      database,
      browser: new Browser(`http://127.0.0.1:${port}`, `http://localhost:${port}`),
      env: {
        ...active,
        ...variables,
        PORT: port,
        ADMIN_PORT: String(await freePort()),
        DATA_DIR: join(folder, `data-${projects.length}`),
        UPSTREAM_URL: upstream.url,
        DRAIN_DELAY: '0'
      }
    })
  }
  const start = async (t: Test, { env }: Project) => {
    const running = await somebody.starts(t, join(bin, 'gatehouse'), ['start'], env)
    await running.prints(/"msg":"gatehouse ready"/)
    return running
  }

  for (const project of projects) {
    await t.test(`the first version, with ${project.database}: somebody signs up`, async (t) => {
      await somebody.types('gatehouse migrate', project.env)
      const running = await start(t, project)
      t.equal((await project.browser.signUp('ada')).status, 200)
      t.equal((await project.browser.ask('/private')).status, 200)
      t.equal(await running.stop('SIGTERM'), 0)
    })
  }

  let since = performance.now()
  await putWheels(await buildNext(t))
  t.comment(`the second build: ${seconds(since)}`)
  const [install = '', migrate = '', ...more] = blockWith('docs/install.md', 'pip install -U').trim().split('\n')
  t.same(more, [])
  since = performance.now()
  await somebody.types(install, active)
  t.comment(`${install}: ${seconds(since)}`)
  t.match(await somebody.types('pip list', active), { stdout: new RegExp(`gatehouse-gateway +${next}`) })

  for (const project of projects) {
    await t.test(`the second version, with ${project.database}: they are still signed in`, async (t) => {
      if ('DATABASE_URL' in project.env) {
        const early = await somebody.tries('gatehouse start', project.env)
        t.match(
          early,
          { code: 1, stderr: `${migration}. Run \`gatehouse migrate\`` },
          'it serves nobody before it was migrated'
        )
      }
      t.match(await somebody.types(migrate, project.env), { stdout: `applied ${migration}` })
      const running = await start(t, project)
      const { origin, publicUrl } = project.browser
      t.equal((await project.browser.ask('/private')).status, 200)
      t.equal((await new Browser(origin, publicUrl).signIn('ada')).status, 200, 'and the password is what it was')
      t.equal(await running.stop('SIGTERM'), 0)
    })
  }
})

/** The folder of the wheels of a second build: this source, with a version of its own and one more migration. */
async function buildNext(t: Test): Promise<string> {
  const source = t.testdir()
  const listed = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const { stdout } = await run('git', listed, { cwd: root })
  for (const path of stdout.split('\0').filter((path) => /^(?!test\/|docs\/|bench\/)./.test(path))) {
    await mkdir(dirname(join(source, path)), { recursive: true })
    await cp(join(root, path), join(source, path), { verbatimSymlinks: true })
  }
  await symlink(join(root, 'node_modules'), join(source, 'node_modules'))

  const journal = join(source, 'db/migrations/meta/_journal.json')
  const { entries, ...rest } = JSON.parse(await readFile(journal, 'utf8'))
  const entry = { ...entries.at(-1), idx: entries.length, when: entries.at(-1).when + 1, tag: migration }
  await writeFile(journal, JSON.stringify({ ...rest, entries: [...entries, entry] }))
  await writeFile(
    join(source, `db/migrations/${migration}.sql`),
    'CREATE TABLE "public"."one_more" ("id" text PRIMARY KEY);\n'
  )
  for (const file of [
    'package.json',
    'python/fastapi-gatehouse/pyproject.toml',
    'python/gatehouse-gateway/pyproject.toml'
  ]) {
    const text = await readFile(join(source, file), 'utf8')
    const renamed = text.replaceAll(`"${version}"`, `"${next}"`).replaceAll(`==${version}"`, `==${next}"`)
    await writeFile(join(source, file), renamed)
  }
  await run('npm', ['run', 'build:wheels'], { cwd: source })
  return join(source, 'dist')
}
