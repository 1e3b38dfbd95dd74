import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { builtPackage } from '../support/built-package.ts'
import { newestPython, withoutPython } from '../support/python.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const launcher = join(root, 'python/gatehouse-gateway')
const read = (path: string) => readFile(join(root, path), 'utf8')

t.test('the launcher has the version of the gateway, and starts what the npm package says', async (t) => {
  const { version, bin } = JSON.parse(await read('package.json'))
  t.match(await readFile(join(launcher, 'pyproject.toml'), 'utf8'), `\nversion = "${version}"\n`)
  const code = await readFile(join(launcher, 'src/gatehouse_gateway/launcher.py'), 'utf8')
  const [, folder = '', file = ''] = /GATEWAY \/ "([^"]+)" \/ "([^"]+)"\)/.exec(code) ?? []
  t.equal(`${folder}/${file}`, bin.gatehouse)
  t.ok(existsSync(join((await builtPackage()).folder, folder, file)))
  const [, options = ''] = /^#!.* node (.+)$/m.exec(await read(bin.gatehouse)) ?? []
  t.match(options, /^--\S+$/, 'with one option for Node')
  for (const started of [code, await read('Dockerfile')])
    t.ok(started.includes(options), 'which the image gives it too')
  t.equal(await readFile(join(launcher, 'LICENSE'), 'utf8'), await read('LICENSE'), 'the licence goes with it')
})

t.test('ruff and mypy find nothing to mend in it', { skip: await withoutPython() }, async (t) => {
  const python = await newestPython()
  const tools = [
    ['ruff', 'check', '--no-cache', '.'],
    ['ruff', 'format', '--check', '--no-cache', '.'],
    ['mypy', '--cache-dir', '/dev/null']
  ]
  for (const tool of tools) {
    const { ok, output } = await run(python, ['-m', ...tool])
    t.ok(ok, output)
  }
})

/** Runs a program in the launcher's folder; it is to end with 0. */
function run(file: string, args: readonly string[]): Promise<{ ok: boolean; output: string }> {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], PYTHONDONTWRITEBYTECODE: '1' }
  return new Promise((resolve) => {
    execFile(file, args, { cwd: launcher, env }, (error, stdout, stderr) =>
      resolve({ ok: error === null, output: stdout + stderr })
    )
  })
}
