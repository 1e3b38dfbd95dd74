import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { ConfigError } from '../config/environment.ts'
import { secretVariables } from '../config/variables.ts'
import type { AppPlan } from './dev-plan.ts'

/** How to start the app that is behind the gateway. */
export interface AppStart {
  readonly command: string
  readonly args: readonly string[]
  /** For people: what is started, and with what. */
  readonly words: string
}

type Environment = Record<string, string | undefined>

const run = promisify(execFile)

/** Stands for the port in a command, where a program takes it as an argument. */
export const portPlaceholder = '{PORT}'

/**
 * How to start an app on this port of 127.0.0.1: a command as it was given, an ASGI app by the uvicorn of the project's
 * Python. Throws a ConfigError where there is no Python, or no uvicorn in it.
 */
export async function appStart(
  plan: Exclude<AppPlan, { kind: 'running' }>,
  port: number,
  { env, cwd }: { readonly env: Environment; readonly cwd: string }
): Promise<AppStart> {
  if (plan.kind === 'command') {
    const [command, ...args] = plan.command.map((part) => part.replaceAll(portPlaceholder, String(port)))
    return { command: command ?? '', args, words: plan.command.join(' ') }
  }
  const python = await projectPython(env, cwd)
  const shown = python.startsWith(`${cwd}/`) ? relative(cwd, python) : python
  await requireUvicorn(python, shown, cwd, env)
  const args = ['-m', 'uvicorn', plan.app, '--reload', '--host', '127.0.0.1', '--port', String(port)]
  return { command: python, args, words: `${plan.app} by ${shown}` }
}

/** The Python of the active virtual environment, of one in this folder, or that of the PATH. */
async function projectPython(env: Environment, cwd: string): Promise<string> {
  const active = env['VIRTUAL_ENV']
  const homes = [...(active === undefined || active === '' ? [] : [active]), join(cwd, '.venv'), join(cwd, 'venv')]
  const found = homes.map((home) => join(home, 'bin', 'python')).find((python) => existsSync(python))
  if (found !== undefined) return found
  for (const python of ['python3', 'python']) if (await succeeds(python, ['-c', ''], cwd, env)) return python
  throw new ConfigError([
    'Python: there is no virtual environment here and no python3 on the PATH: make one with python3 -m venv .venv, or say after -- what starts the app'
  ])
}

async function requireUvicorn(python: string, shown: string, cwd: string, env: Environment): Promise<void> {
  const looksForIt = 'import importlib.util, sys; sys.exit(importlib.util.find_spec("uvicorn") is None)'
  if (await succeeds(python, ['-c', looksForIt], cwd, env)) return
  throw new ConfigError([
    `uvicorn: is not installed for ${shown}: run ${shown} -m pip install uvicorn, activate the environment that has it, or say after -- what starts the app`
  ])
}

async function succeeds(command: string, args: string[], cwd: string, env: Environment): Promise<boolean> {
  try {
    await run(command, args, { cwd, env, timeout: 20_000 })
    return true
  } catch {
    return false
  }
}

// DATABASE_URL is left in: most apps call the address of their own database so, and there is one variable for both.
const gatewaySecrets = new Set(
  secretVariables.flatMap((name) => (name === 'DATABASE_URL' ? [`${name}_FILE`] : [name, `${name}_FILE`]))
)

/** The environment of the app: the shell's, without the gateway's secrets, with what it has to know of the gateway. */
export function appEnvironment(env: Environment, port: number, token: string): Environment {
  const kept = Object.entries(env).filter(([name]) => !gatewaySecrets.has(name))
  return {
    // One line for a request is enough, and a reload waits for no event stream. uvicorn reads these itself.
    UVICORN_ACCESS_LOG: 'false',
    UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN: '2',
    // Python holds back what is printed to a pipe.
    PYTHONUNBUFFERED: '1',
    ...Object.fromEntries(kept),
    PORT: String(port),
    UPSTREAM_TOKEN: token,
    FORWARDED_ALLOW_IPS: '127.0.0.1'
  }
}
