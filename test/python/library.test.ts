import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { allPythons, library, newestPython, oldestPython, withoutPython } from '../support/python.ts'

const skip = await withoutPython()
const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a program in the library's folder; it is to end with 0. */
function run(file: string, args: readonly string[]): Promise<{ ok: boolean; output: string }> {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], PYTHONDONTWRITEBYTECODE: '1' }
  return new Promise((resolve) => {
    execFile(file, args, { cwd: library, env, maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      resolve({ ok: error === null, output: stdout + stderr })
    )
  })
}

t.test('its version and what the extra pins are those of the gateway', async (t) => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const project = await readFile(join(library, 'pyproject.toml'), 'utf8')
  t.match(project, `\nversion = "${version}"\n`)
  t.match(project, `\ngateway = ["gatehouse-gateway==${version}"]\n`)
  t.match(project, '\ndependencies = ["fastapi>=0.115.6"]\n', 'FastAPI and nothing else')
  t.match(await readFile(join(library, 'tests/oldest.txt'), 'utf8'), '\nfastapi==0.115.6\n', 'which is tried')
  t.equal(
    await readFile(join(library, 'LICENSE'), 'utf8'),
    await readFile(join(root, 'LICENSE'), 'utf8'),
    'the licence goes with it'
  )
})

t.test('its own tests pass', { skip }, async (t) => {
  const { oldest, newest } = await allPythons()
  for (const [python, path, what] of [
    [oldest, await oldestPython(), 'the oldest FastAPI'],
    [newest, await newestPython(), 'the newest FastAPI']
  ] as const) {
    await t.test(`on CPython ${python.version} with ${what}`, async (t) => {
      if (what === 'the oldest FastAPI' && !python.version.startsWith('3.10.'))
        t.comment(`There is no Python 3.10: the oldest one here is ${python.version}.`)
      const { ok, output } = await run(path, ['-m', 'pytest', '-q', '-p', 'no:cacheprovider'])
      t.ok(ok, output)
      t.match(output, /\b\d\d+ passed/)
      t.notMatch(output, /\bfailed\b|\berror\b/)
    })
  }
})

t.test('ruff finds nothing to mend, in form and in what it knows of mistakes', { skip }, async (t) => {
  const python = await newestPython()
  for (const args of [['check'], ['format', '--check', '--diff']]) {
    const { ok, output } = await run(python, ['-m', 'ruff', ...args, '--no-cache', '.'])
    t.ok(ok, output)
  }
})

t.test('mypy and pyright find nothing either, at their strictest', { skip }, async (t) => {
  const python = await newestPython()
  const mypy = await run(python, ['-m', 'mypy', '--cache-dir', '/dev/null'])
  t.ok(mypy.ok, mypy.output)
  const pyright = createRequire(import.meta.url).resolve('pyright/index.js')
  const { ok, output } = await run(process.execPath, [pyright, '--project', library, '--pythonpath', python])
  t.ok(ok, output)
  t.match(output, /^0 errors, 0 warnings/m)
})

t.test('the example app passes its tests without a gateway', { skip }, async (t) => {
  const args = ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', join(root, 'examples/fastapi')]
  const { ok, output } = await run(await newestPython(), [...args, '--rootdir', join(root, 'examples/fastapi')])
  t.ok(ok, output)
  t.match(output, /5 passed/)
})
