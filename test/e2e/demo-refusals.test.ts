import { execFile } from 'node:child_process'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs the demo, which is expected to give up. */
function failing(t: Test, env: Record<string, string>): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const variables = { ...process.env, PORT: '0', ADMIN_PORT: '0', DATA_DIR: join(t.testdirName, 'data'), ...env }
    const options = { cwd: root, env: variables, timeout: 60_000 }
    const child = execFile(process.execPath, ['examples/demo.ts'], options, (_error, stdout, stderr) =>
      resolve({ status: child.exitCode ?? -1, stdout, stderr })
    )
  })
}

/** A folder to be the whole PATH, with one executable in it. */
async function pathWith(t: Test, name: string, script: string): Promise<string> {
  const folder = join(t.testdir(), 'bin')
  await mkdir(folder)
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`)
  await chmod(join(folder, name), 0o755)
  await symlink('/bin/sh', join(folder, 'sh'))
  return folder
}

t.test('without Python the demo says what is missing', async (t) => {
  const { status, stderr } = await failing(t, { PATH: join(t.testdirName, 'nothing') })
  t.equal(status, 1)
  t.match(stderr, /^Python 3\.10 or newer is missing\. There is no python3 or python on the PATH\. .*\n$/)
})

t.test('a Python that is too old is named', async (t) => {
  const { status, stderr } = await failing(t, { PATH: await pathWith(t, 'python3', 'echo 3.9.18') })
  t.equal(status, 1)
  t.match(stderr, /^Python 3\.10 or newer is missing\. python3 is 3\.9\.18\. .*\n$/)
})

t.test('when installing fails the reason is shown', async (t) => {
  const script =
    'case "$*" in *sys.version_info*) echo 3.13.0;; *) echo "ensurepip is not available" >&2; exit 1;; esac'
  const { status, stderr } = await failing(t, { PATH: await pathWith(t, 'python3', script) })
  t.equal(status, 1)
  t.match(stderr, /^Installing the example app's requirements failed\. /)
  t.match(stderr, 'ensurepip is not available')
  t.notMatch(stderr, /\n {4}at /, 'no stack trace')
})

t.test('a port in use is one sentence', async (t) => {
  for (const host of ['127.0.0.1', '::1']) {
    const server = createServer()
    const listening = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(0, host, () => resolve(true))
    })
    if (!listening) {
      t.pass(`skipped: this machine has no ${host}`)
      continue
    }
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const { status, stderr } = await failing(t, { PORT: String(port) })
    t.equal(status, 1)
    t.match(stderr, new RegExp(`^Port ${port} is in use: .*\\n$`))
    await new Promise((resolve) => server.close(resolve))
  }
})
