import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { freePort } from '../support/ports.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** How a command ended; `code` is null when a signal ended it. */
export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** The repository's docker-compose.yml as a project of its own, on a port of its own. */
export interface Stack {
  /** The public origin, as the browser sees it. */
  readonly origin: string
  /** The gateway's published port on this machine. */
  readonly port: number
  /** `docker compose …` for this project; resolves to what it printed, rejects when it fails. */
  compose(...args: string[]): Promise<string>
  /** The same with a further override file of this folder. */
  composeWith(overrideFile: string, ...args: string[]): Promise<string>
  /** Runs a command in a service's container, however it ends. */
  inside(service: string, ...command: string[]): Promise<Ended>
  /** The ids of the project's containers, those that have ended too. */
  containers(): Promise<string[]>
  /** The name of the image that was built for a service. */
  image(service: string): string
}

/**
 * For `{ skip: await withoutEngine() }`: false where a Docker engine with Compose answers, otherwise the reason.
 * With CI=true it throws instead, so that nothing is skipped there unseen.
 */
export async function withoutEngine(): Promise<false | string> {
  const engine = await run('docker', ['version', '--format', '{{.Server.Version}}'])
  const compose = engine.code === 0 ? await run('docker', ['compose', 'version', '--short']) : engine
  if (compose.code === 0) return false
  const reason = `no Docker engine with Compose answers: ${compose.stderr.trim()}`
  if (process.env['CI'] === 'true') throw new Error(reason)
  return `skipped: ${reason}`
}

/** `docker …`; resolves to what it printed, rejects when it fails. */
export async function docker(...args: string[]): Promise<string> {
  return succeeded(`docker ${args[0]}`, await run('docker', args))
}

/** What `docker compose config …` makes of the repository's file with these variables in the environment. */
export async function composeConfig(env: Record<string, string>, ...args: string[]): Promise<string> {
  const files = ['--env-file', '/dev/null', '-f', 'docker-compose.yml', '-f', 'test/docker/compose.override.yml']
  return succeeded('docker compose config', await run('docker', ['compose', ...files, 'config', ...args], env))
}

/** A stack that is not up yet. The test's end takes all of it away: containers, volumes, networks, images. */
export async function prepareStack(t: Test): Promise<Stack> {
  const project = `gatehouse-test-${randomBytes(4).toString('hex')}`
  const port = await freePort()
  const compose = async (overrides: string[], args: string[]) => {
    const files = ['docker-compose.yml', 'test/docker/compose.override.yml', ...overrides].flatMap((file) => [
      '-f',
      file
    ])
    const ended = await run('docker', ['compose', '-p', project, '--env-file', '/dev/null', ...files, ...args], {
      PORT: String(port)
    })
    return { what: `docker compose ${args.join(' ')}`, ended }
  }
  const stack: Stack = {
    origin: `http://localhost:${port}`,
    port,
    async compose(...args) {
      const { what, ended } = await compose([], args)
      return succeeded(what, ended)
    },
    async composeWith(overrideFile, ...args) {
      const { what, ended } = await compose([`test/docker/${overrideFile}`], args)
      return succeeded(what, ended)
    },
    async inside(service, ...command) {
      const { ended } = await compose([], ['exec', '-T', service, ...command])
      return ended
    },
    async containers() {
      return (await docker('ps', '-aq', '--filter', `label=com.docker.compose.project=${project}`)).trim().split('\n')
    },
    image: (service) => `${project}-${service}`
  }
  t.teardown(() => stack.compose('down', '--volumes', '--remove-orphans', '--rmi', 'local', '--timeout', '10'))
  return stack
}

function succeeded(what: string, { code, stdout, stderr }: Ended): string {
  if (code !== 0) throw new Error(`${what} ended with ${code}:\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`)
  return stdout
}

/** Runs a program in the repository's folder, with next to nothing of this environment, however it ends. */
export function run(command: string, args: string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    // Not the whole environment: a DATABASE_URL or a secret of the developer's would end up in the stack.
    const kept = Object.entries(process.env).filter(([name]) => /^(PATH|HOME|TMPDIR|DOCKER_.*)$/.test(name))
    const options = { cwd: root, env: { ...Object.fromEntries(kept), ...env }, timeout: 480_000, maxBuffer: 64 << 20 }
    execFile(command, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
      resolve({ code, stdout, stderr: error !== null && stderr === '' ? error.message : stderr })
    })
  })
}
