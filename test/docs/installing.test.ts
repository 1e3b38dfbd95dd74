import { copyFile, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { gatewayVersion } from '../../src/cli/init/gateway-version.ts'
import { newcomer, realPython } from '../install/newcomer.ts'
import { builtWheels, withoutWheels } from '../support/built-wheels.ts'
import { freePort } from '../support/ports.ts'
import { blocksOf, blockWith, pageOf } from './documents.ts'

const page = 'docs/install.md'
const shell = (path: string, beginning: string) => {
  const [found, ...more] = blocksOf(pageOf(path)).filter(
    ({ language, text }) => language === 'sh' && text.startsWith(beginning)
  )
  if (found === undefined || more.length > 0) throw new Error(`${path}: not one block that begins with ${beginning}`)
  return found.text.trim()
}

t.test(
  'the commands for pip do what the page says, from the first to the last',
  { skip: await withoutWheels() },
  async (t) => {
    const tools = Object.fromEntries(['id', 'ls'].map((name) => [name, `/bin/${name}`]))
    const somebody = await newcomer(t, { python3: realPython(), ...tools })
    const { folder, programs } = somebody
    const { folder: wheels } = await builtWheels()
    await mkdir(join(folder, 'dist'))
    for (const name of (await readdir(wheels)).filter((one) => one.endsWith('.whl')))
      await copyFile(join(wheels, name), join(folder, 'dist', name))
    await somebody.writes(
      'main.py',
      blockWith('README.md', '# main.py').replace(
        '@app.get("/me")',
        '@app.get("/")\ndef home() -> None: ...\n\n\n@app.get("/me")'
      )
    )
    const active = { VIRTUAL_ENV: join(folder, '.venv'), PATH: `${join(folder, '.venv', 'bin')}:${programs}` }

    // The last line of the first block goes on until it is stopped; a test of its own has it.
    const first = shell(page, 'python3 -m venv .venv').split('\n')
    t.equal(first.pop(), 'gatehouse dev main:app')
    await somebody.types(first.join(' && '))
    for (const name of ['gatehouse.toml', 'compose.gatehouse.yaml', '.env.example', 'test_gatehouse.py'])
      t.ok((await readdir(folder)).includes(name), name)
    t.same(
      first.slice(-2).concat('gatehouse dev main:app'),
      shell('README.md', 'pip install ./').split('\n'),
      'the README says the same'
    )

    await rm(join(folder, 'gatehouse.toml'))
    const proposed = await somebody.types(shell(page, 'gatehouse init --from-openapi'), active)
    t.ok(proposed.stdout.includes(blockWith(page, '--- nothing')), 'the diff is the one that is shown')
    await somebody.types(shell(page, 'pip install ./dist/fastapi_gatehouse'), active)

    const ports = { PORT: String(await freePort()), ADMIN_PORT: String(await freePort()) }
    const upgraded = await somebody.types(shell(page, 'pip install -U').replace('\n', ' && '), { ...active, ...ports })
    t.match(upgraded.stdout, /^(applied |up to date)/m)
    await somebody.types(shell(page, 'pip uninstall'), active)
    t.match(await somebody.tries('gatehouse --help', active), { code: 127 })
  }
)

t.test('what is said of npm, of systemd and of the image is said alike everywhere', async (t) => {
  t.equal(shell(page, 'npm install ./'), shell('README.md', 'npm install ./'))
  const [venv, pip] = shell('docs/deploying.md', 'python3 -m venv /opt').split('\n')
  t.equal(venv, 'python3 -m venv /opt/shop')
  t.equal(pip, `/opt/shop/bin/${shell(page, 'python3 -m venv .venv').split('\n')[2]}`)
  const [build, ...up] = shell('README.md', 'docker build').split('\n')
  t.equal(build, shell(page, 'docker build'))
  t.match(up, [/^docker compose -f compose\.yaml -f compose\.gatehouse\.yaml up --build --wait$/])
  const [run, alone, ...more] = shell(page, 'docker run').split('\n')
  t.match(run, / --pull never .* gatehouse:[\d.]+ gatehouse init$/)
  t.match(alone, /^docker compose -f compose\.gatehouse\.yaml up --build --wait$/)
  t.same(more, [])
})

t.test('the version that the pages name is this one, or where they speak of an upgrade the next', async (t) => {
  const version = gatewayVersion()
  const next = version.replace(/\d+$/, (patch) => String(Number(patch) + 1))
  for (const path of [page, 'README.md', 'docs/deploying.md'])
    for (const [, named] of pageOf(path).text.matchAll(/(?:gatehouse[:-]|gateway-)(\d+\.\d+\.\d+)/g))
      t.ok(named === version || named === next, `${path}: ${named}`)
})
