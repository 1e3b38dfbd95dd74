import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { areGone, descendants } from '../support/dev-process.ts'
import { withoutPython } from '../support/python.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const skip = await withoutPython()
// One folder for all: what the first run installs, the later ones find. The space is there to be quoted.
const dataDir = join(t.testdir(), 'data dir')

t.setTimeout(900_000)

interface Running {
  child: ChildProcess
  output(): string
  /** Waits until it has printed this; throws with its output when it ends first or takes over four minutes. */
  printed(text: string): Promise<void>
  ended: Promise<number | null>
}

function start(t: Test, command: string[], env: Record<string, string> = {}): Running {
  const [file = '', ...args] = command
  const child = spawn(file, args, {
    cwd: root,
    env: { ...process.env, PORT: '0', ADMIN_PORT: '0', DATA_DIR: dataDir, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const ended = once(child, 'close').then(() => child.exitCode)
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
  })
  return {
    child,
    ended,
    output: () => output,
    async printed(text) {
      const deadline = Date.now() + 240_000
      while (!output.includes(text)) {
        if (child.exitCode !== null || Date.now() > deadline) throw new Error(`never printed ${text}:\n${output}`)
        await new Promise((done) => setTimeout(done, 50))
      }
    }
  }
}

const demo = (t: Test, env?: Record<string, string>) => start(t, [process.execPath, 'examples/demo.ts'], env)

t.test('the demo works as it says, and leaves nothing behind', { skip, timeout: 400_000 }, async (t) => {
  const running = demo(t)
  await running.printed('Ctrl-C stops everything.')
  t.match(running.output(), 'Installing FastAPI', 'says what takes so long')

  const commands = running.output().match(/(?<=^ {2})curl .*$/gm) ?? []
  t.equal(commands.length, 3)
  const cwd = join(t.testdir(), 'elsewhere')
  await mkdir(cwd)
  const answers: string[] = []
  for (const command of commands) answers.push((await run('bash', ['-c', command], { cwd })).stdout)
  const [signUp = '', me = '', stranger = ''] = answers

  const email = /ada-[0-9a-f]+@example\.com/.exec(running.output())?.[0]
  t.match(JSON.parse(signUp), { user: { id: String, email, emailVerified: false } })
  t.same(JSON.parse(me), { id: JSON.parse(signUp).user.id, email, email_verified: false })
  t.match(stranger, /^HTTP\/1\.1 401 /)
  t.match(stranger, '"code":"SESSION_REQUIRED"')

  const processes = await descendants(running.child.pid)
  t.match([...processes.values()].join('\n'), /uvicorn main:app/)
  t.match([...processes.values()].join('\n'), /src\/gatehouse\.js start/)
  running.child.kill('SIGINT')
  t.equal(await running.ended, 0, running.output())
  await areGone(processes)
})

t.test('a second run installs nothing, and Ctrl-C under npm stops it too', { skip, timeout: 300_000 }, async (t) => {
  const running = start(t, ['npm', 'run', 'demo'])
  await running.printed('Ctrl-C stops everything.')
  t.notMatch(running.output(), 'Installing')
  const processes = await descendants(running.child.pid)
  t.ok(processes.size >= 3)
  // What a terminal does: the signal goes to the whole group in the foreground.
  process.kill(-(running.child.pid ?? Number.NaN), 'SIGINT')
  await running.ended
  await areGone(processes)
})

t.test('when the app dies the demo says so and stops', { skip, timeout: 300_000 }, async (t) => {
  const running = demo(t)
  await running.printed('Ctrl-C stops everything.')
  const processes = await descendants(running.child.pid)
  const [uvicorn = 0] = [...processes].find(([, args]) => args.includes('uvicorn')) ?? []
  process.kill(uvicorn, 'SIGKILL')
  t.equal(await running.ended, 1)
  t.match(running.output(), 'The example app stopped (SIGKILL).')
  await areGone(processes)
})

t.test(
  'of the shell’s settings the demo takes the policy and the trusted origins',
  { skip, timeout: 300_000 },
  async (t) => {
    const env = {
      GATEHOUSE_CONFIG: 'nowhere.ts',
      TRUSTED_ORIGINS: 'nonsense',
      DATABASE_URL: 'nonsense',
      LOG_LEVEL: 'x'
    }
    const running = demo(t, env)
    t.equal(await running.ended, 1)
    t.match(running.output(), /GATEHOUSE_CONFIG: /)
    t.match(running.output(), /TRUSTED_ORIGINS: /)
    t.notMatch(running.output(), /DATABASE_URL: |LOG_LEVEL: /)
  }
)
