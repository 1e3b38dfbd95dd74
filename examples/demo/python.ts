import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { access, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { startChild } from './child.ts'

const run = promisify(execFile)

/** A Python that is new enough for the example app. */
export interface Python {
  command: string
  /** `3.13.0`, say */
  version: string
}

/** What is missing, in words for whoever started the command. */
export class PythonProblem extends Error {}

const candidates = ['python3', 'python', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10']

/** The first Python ≥ 3.10 on the path; throws PythonProblem, which says what was found instead. */
export async function findPython(): Promise<Python> {
  const tooOld: string[] = []
  for (const command of candidates) {
    const version = await pythonVersion(command)
    if (version === undefined) continue
    const [major = 0, minor = 0] = version.split('.').map(Number)
    if (major > 3 || (major === 3 && minor >= 10)) return { command, version }
    tooOld.push(`${command} is ${version}`)
  }
  const found = tooOld.length > 0 ? `${tooOld.join(', ')}.` : 'There is no python3 or python on the PATH.'
  throw new PythonProblem(
    `Python 3.10 or newer is missing. ${found} Install it from your system's packages or python.org.`
  )
}

/** `3.13.0`, say; undefined where the command is no Python, or none that works. */
export async function pythonVersion(command: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(command, ['-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])'], {
      timeout: 20_000
    })
    return stdout.trim()
  } catch {
    return undefined
  }
}

/** Where a virtual environment goes and what it holds. */
export interface VirtualEnvironment {
  python: Python
  /** A folder of virtual environments, one for each set of requirements; made when missing. */
  folder: string
  /** Paths of requirements files. */
  requirements: readonly string[]
  /** Folders of Python packages, which are installed in place: what changes in them needs no new environment. */
  packages?: readonly string[]
  /** Told once, when there is something to install. */
  onInstall?: (installer: 'uv' | 'pip') => void
  /** Gives up, leaving nothing half-made behind. */
  signal?: AbortSignal
}

/**
 * The path of a Python that has the requirements installed; made on the first call, reused while the requirements and the
 * Python stay what they are. Safe to call from several processes at once. Throws PythonProblem.
 */
export async function ensureVirtualEnvironment(options: VirtualEnvironment): Promise<string> {
  const folder = resolve(options.folder)
  const key = createHash('sha256').update(`${options.python.command} ${options.python.version}\n`)
  for (const file of options.requirements) key.update(await readFile(file))
  for (const path of options.packages ?? []) key.update(path).update(await readFile(join(path, 'pyproject.toml')))
  const home = join(folder, `venv-${key.digest('hex').slice(0, 16)}`)
  const ready = join(home, 'bin', 'python')
  if (await works(ready)) return ready

  // Each builder has a folder of its own and `home` is a link to the first one that is complete: nobody ever
  // sees a half-made one, there is no lock to be left behind, and a virtual environment cannot be renamed.
  const building = `${home}-${randomBytes(4).toString('hex')}`
  await mkdir(folder, { recursive: true })
  let published = false
  try {
    await build(building, options)
    published = await publish(basename(building), home)
  } finally {
    if (!published) await rm(building, { recursive: true, force: true })
  }
  if (await works(ready)) return ready
  throw new PythonProblem(`The virtual environment in ${home} does not work. Remove the folder and try again.`)
}

async function build(directory: string, options: VirtualEnvironment): Promise<void> {
  const python = join(directory, 'bin', 'python')
  const files = options.requirements.flatMap((file) => ['-r', file])
  for (const path of options.packages ?? []) files.push('--editable', path)
  const step = (command: string, args: string[]) => install(command, args, options.signal)
  if (await succeeds('uv', ['--version'])) {
    options.onInstall?.('uv')
    await step('uv', ['venv', '--quiet', '--python', options.python.command, directory])
    await step('uv', ['pip', 'install', '--quiet', '--python', python, ...files])
  } else {
    options.onInstall?.('pip')
    await step(options.python.command, ['-m', 'venv', directory])
    await step(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', ...files])
  }
  await writeFile(join(directory, 'complete'), '')
}

/** Whether `home` now leads to the new environment; false where another builder was first. */
async function publish(target: string, home: string): Promise<boolean> {
  for (const lastTry of [false, true]) {
    try {
      await symlink(target, home)
      return true
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
    if (lastTry || (await works(join(home, 'bin', 'python')))) return false
    // What is there does not work: its Python was uninstalled, or somebody emptied the folder.
    await rm(home, { recursive: true, force: true })
  }
  return false
}

async function works(python: string): Promise<boolean> {
  try {
    await access(join(python, '..', '..', 'complete'))
  } catch {
    return false
  }
  return succeeds(python, ['-c', 'import fastapi, uvicorn'])
}

async function succeeds(command: string, args: string[]): Promise<boolean> {
  try {
    await run(command, args, { timeout: 20_000 })
    return true
  } catch {
    return false
  }
}

async function install(command: string, args: string[], signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  const { ended, stop } = startChild({
    name: `\`${command} ${args.slice(0, 3).join(' ')} …\``,
    command,
    args,
    cwd: process.cwd(),
    env: process.env,
    patience: 2_000
  })
  const interrupt = () => void stop()
  signal?.addEventListener('abort', interrupt, { once: true })
  const { ok, description } = await ended
  signal?.removeEventListener('abort', interrupt)
  signal?.throwIfAborted()
  if (!ok) throw new PythonProblem(`Installing the example app's requirements failed. ${description}`)
}
