// npm run demo: an embedded Postgres, the gateway, and the example FastAPI app behind it, on this machine alone.
import { randomBytes } from 'node:crypto'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { variableNames } from '../src/config/environment.ts'
import { type Child, logEntry, readable, startChild } from './demo/child.ts'
import { portInUse } from './demo/ports.ts'
import { ensureVirtualEnvironment, findPython, PythonProblem } from './demo/python.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const app = join(root, 'examples', 'fastapi')
const dataDir = resolve(process.env['DATA_DIR'] || join(root, '.data'))
// The settings of somebody's shell that are meant for the demo.
const meant = Object.fromEntries(
  ['GATEHOUSE_CONFIG', 'TRUSTED_ORIGINS'].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  })
)
const ports = { PORT: process.env['PORT'] || '8080', ADMIN_PORT: process.env['ADMIN_PORT'] || '9090' }

/** Ends the demo with its sentence and exit status 1. */
class DemoProblem extends Error {}

const children: Child[] = []
const interrupted = new AbortController()

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

async function demo(signal: AbortSignal): Promise<void> {
  await checkPorts()
  const python = await preparePython(signal)

  say('Starting the example app (FastAPI) …')
  const token = randomBytes(24).toString('base64url')
  const upstream = await startApp(python, token)

  say('Starting the gateway with its embedded Postgres …')
  const publicUrl = await startGateway(upstream, token)

  say(welcome(publicUrl))
  await anyEnd()
}

async function checkPorts(): Promise<void> {
  for (const [name, value] of Object.entries(ports)) {
    const port = Number(value)
    if (Number.isInteger(port) && port <= 65_535 && (await portInUse(port))) {
      const other = name === 'PORT' ? port + 1 : 0
      throw new DemoProblem(
        `Port ${port} is in use: stop what listens there, or run \`${name}=${other} npm run demo\`.`
      )
    }
  }
}

async function preparePython(signal: AbortSignal): Promise<string> {
  const python = await findPython()
  signal.throwIfAborted()
  return ensureVirtualEnvironment({
    python,
    folder: join(dataDir, 'demo-venv'),
    requirements: [join(app, 'requirements.txt')],
    packages: [join(root, 'python', 'fastapi-gatehouse')],
    onInstall: (installer) => say(`Installing FastAPI for Python ${python.version} with ${installer}, this once …`),
    signal
  })
}

/** Resolves to the app's address once it listens. */
async function startApp(python: string, token: string): Promise<string> {
  let listening: (url: string) => void
  const url = new Promise<string>((resolve) => {
    listening = resolve
  })
  const child = startChild({
    name: 'The example app',
    command: python,
    args: ['-m', 'uvicorn', 'main:app', '--port', '0', '--timeout-graceful-shutdown', '2'],
    cwd: app,
    env: {
      ...plainEnvironment(),
      UPSTREAM_TOKEN: token,
      FORWARDED_ALLOW_IPS: '127.0.0.1',
      PYTHONDONTWRITEBYTECODE: '1'
    },
    onLine(line) {
      const address = /running on (http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1]
      if (address !== undefined) listening(address)
    },
    patience: 4_000
  })
  children.unshift(child)
  return inTime(url)
}

/** Resolves to the public address once the gateway is ready. */
async function startGateway(upstream: string, token: string): Promise<string> {
  let ready: (publicUrl: string) => void
  const url = new Promise<string>((resolve) => {
    ready = resolve
  })
  const child = startChild({
    name: 'The gateway',
    command: process.execPath,
    args: ['--max-semi-space-size=16', join(root, 'src', 'gatehouse.js'), 'start'],
    cwd: root,
    env: {
      ...plainEnvironment(),
      ...meant,
      ...ports,
      DATA_DIR: dataDir,
      UPSTREAM_URL: upstream,
      UPSTREAM_TOKEN: token,
      DRAIN_DELAY: '0',
      DRAIN_TIMEOUT: '3'
    },
    onLine(line) {
      const entry = logEntry(line)
      if (entry?.message === 'gatehouse ready') ready(entry.field('publicUrl') ?? '')
      else if (entry !== undefined && entry.level >= 40) say(`  gateway: ${readable(line)}`)
    },
    patience: 8_000
  })
  children.unshift(child)
  return inTime(url)
}

// The demo must not write to a database, or start with a setting, that happens to be in somebody's shell.
function plainEnvironment(): Record<string, string | undefined> {
  const harmless = (name: string) =>
    !variableNames.includes(name) && !/^(BETTER_AUTH_|UVICORN_|WEB_CONCURRENCY$|PYTHON|NODE_ENV$)/.test(name)
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => harmless(name)))
}

async function inTime(ready: Promise<string>): Promise<string> {
  const name = children[0]?.name
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new DemoProblem(`${name} is not ready after 60 seconds.`)), 60_000).unref()
  })
  return Promise.race([ready, anyEnd(), late])
}

/** Rejects when one of the processes ends or somebody presses Ctrl-C. */
function anyEnd(): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(interrupted.signal.reason)
    if (interrupted.signal.aborted) stop()
    interrupted.signal.addEventListener('abort', stop, { once: true })
    for (const child of children) void child.ended.then(({ description }) => reject(new DemoProblem(description)))
  })
}

function welcome(publicUrl: string): string {
  // A new user each time: the database keeps those of earlier runs.
  const email = `ada-${randomBytes(3).toString('hex')}@example.com`
  const user = JSON.stringify({ name: 'Ada', email, password: 'a fine passphrase' })
  const jar = quoted(join(dataDir, 'demo-cookies.txt'))
  return `
Gatehouse is on ${publicUrl} – the app behind it describes itself on ${publicUrl}/docs

Open ${publicUrl}/me in a browser: create an account, and FastAPI says who you are.

Or try these in another terminal. Sign up, and keep the session cookie:

  curl -sS -w '\\n' -c ${jar} -H 'Content-Type: application/json' -d '${user}' ${publicUrl}/api/auth/sign-up/email

Ask FastAPI who you are:

  curl -sS -w '\\n' -b ${jar} ${publicUrl}/me

And as a stranger, whom FastAPI never gets to see:

  curl -sS -w '\\n' -i ${publicUrl}/me

Ctrl-C stops everything.
`
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

function watchForTheEnd(): void {
  const interrupt = () => interrupted.abort()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, interrupt)
  if (process.env['npm_lifecycle_event'] === undefined) return
  // Between npm and this process there may be a shell that dies of a signal without passing it on.
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && interrupt(), 500).unref()
}

watchForTheEnd()
try {
  await demo(interrupted.signal)
} catch (error) {
  if (interrupted.signal.aborted) say('\nStopping …')
  else {
    process.exitCode = 1
    const expected = error instanceof DemoProblem || error instanceof PythonProblem
    process.stderr.write(
      `${expected ? error.message : `The demo failed: ${error instanceof Error ? error.stack : error}`}\n`
    )
  }
}
// The gateway first: it ends the open streams that the app would otherwise wait for.
for (const child of children) await child.stop()
process.exit()
