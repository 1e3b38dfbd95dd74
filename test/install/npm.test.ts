import { execFileSync } from 'node:child_process'
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import t from 'tap'
import { blockWith } from '../docs/documents.ts'
import { builtPackage } from '../support/built-package.ts'
import { builtWheels, withoutWheels } from '../support/built-wheels.ts'
import { startChromium, withoutChromium } from '../support/chromium.ts'
import { freePort } from '../support/ports.ts'
import { newcomer, realPython, seconds, signUpFor } from './newcomer.ts'

const skip = withoutChromium() || (await withoutWheels())

t.test('a team with Node.js adds Gatehouse to the app that it has', { skip }, async (t) => {
  const { tarball } = await builtPackage()
  const { folder: wheels } = await builtWheels()
  const npm = (name: string) => execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
  const programs = { python3: realPython(), node: process.execPath, npm: npm('npm'), npx: npm('npx') }
  const somebody = await newcomer(t, programs)
  const { folder } = somebody
  const bin = join(folder, '.venv', 'bin')
  const active = { VIRTUAL_ENV: join(folder, '.venv'), PATH: `${bin}:${somebody.programs}:/usr/bin:/bin` }

  // What is there before Gatehouse is: the app of the README, in its environment.
  await somebody.writes('main.py', blockWith('README.md', '# main.py'))
  await somebody.types('python3 -m venv .venv')
  await somebody.types(
    `pip install --quiet --disable-pip-version-check uvicorn pytest httpx '${wheels}'/fastapi_gatehouse-*.whl`,
    active
  )
  await copyFile(tarball, join(folder, basename(tarball)))

  const begun = performance.now()
  const [install = '', init = '', dev = '', ...more] = blockWith('README.md', 'npm install ./').trim().split('\n')
  t.same(more, [])
  await somebody.types(install, active)
  t.comment(`${install}: ${seconds(begun)}`)

  await t.test('init writes what the project needs', async (t) => {
    const { stdout } = await somebody.types(`${init} --from-openapi main:app`, active)
    t.match(stdout, /^\+ {2}\{ path = "\/me", access = "session" \},$/m, 'the scheme of CurrentUser is seen')
    t.ok(stdout.includes(dev), 'and says what comes next, as the README does')
    for (const name of ['gatehouse.toml', '.env.example', 'compose.gatehouse.yaml', 'test_gatehouse.py'])
      t.ok((await readdir(folder)).includes(name), name)
    t.match(await somebody.types('python -m pytest -q test_gatehouse.py', active), { stdout: /^2 passed/m })
    // The schema is the one of the package that is installed here.
    const [, schema = ''] = /^#:schema (.+)$/m.exec(await readFile(join(folder, 'gatehouse.toml'), 'utf8')) ?? []
    t.match(schema, /^\.\/node_modules\/@gatehouse\/gateway\//)
    t.match(JSON.parse(await readFile(join(folder, schema), 'utf8')), { $schema: /json-schema/ })
  })

  await t.test('who signs up in a browser is greeted by name', async (t) => {
    const port = String(await freePort())
    const ports = { ADMIN_PORT: String(await freePort()) }
    const [program = '', ...args] = dev.split(' ')
    const running = await somebody.starts(t, join(somebody.programs, program), [...args, '--port', port], {
      ...active,
      ...ports
    })
    await running.prints(/"msg":"gatehouse ready"/)
    const page = await (await startChromium(t)).newPage()
    await signUpFor(page, `http://localhost:${port}/me`, 'ada')
    t.match(await page.textContent('body'), '{"hello":"ada"}')
    t.comment(`from npm install to a name in the browser: ${seconds(begun)}`)
  })

  await t.test("where the package is missing, npx --no-install fetches nobody else's", async (t) => {
    const elsewhere = await newcomer(t, programs)
    await writeFile(join(elsewhere.folder, 'package.json'), '{}')
    const { code } = await elsewhere.tries(`${init}`, { ...active, VIRTUAL_ENV: '' })
    t.not(code, 0)
    t.same(await readdir(elsewhere.folder), ['package.json'])
  })
})
