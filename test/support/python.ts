import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  ensureVirtualEnvironment,
  findPython,
  type Python,
  PythonProblem,
  pythonVersion
} from '../../examples/demo/python.ts'

type OnInstall = (installer: 'uv' | 'pip') => void

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const folder = at('node_modules/.cache/gatehouse')
const example = at('examples/fastapi/requirements.txt')
const pytest = at('examples/fastapi/requirements-test.txt')

/** The library for FastAPI, installed in place wherever the example app runs. */
export const library = at('python/fastapi-gatehouse')

/** Makes an environment on the first call, and gives the same one to every later call of this process. */
function environment(requirements: readonly string[], choose: () => Promise<Python>, packages = [library]) {
  let made: Promise<string> | undefined
  return (onInstall?: OnInstall): Promise<string> => {
    made ??= choose().then((python) =>
      ensureVirtualEnvironment({
        python,
        folder,
        requirements,
        packages,
        ...(onInstall === undefined ? {} : { onInstall })
      })
    )
    return made
  }
}

/** The first Python of the path, where it is new enough for packages that have left 3.10 behind. */
async function newerPython(what: string): Promise<Python> {
  const python = await findPython()
  if (minorOf(python) < 11) throw new PythonProblem(`${what} need Python 3.11 or newer`)
  return python
}

/** The path of a Python that runs the example app; made once for all test files. Throws PythonProblem. */
export const testPython = environment([example], findPython)

/** The path of a Python that runs the example app's own tests. Throws PythonProblem. */
export const pytestPython = environment([example, pytest], findPython)

/**
 * The path of a Python that has other servers and frameworks as well: gunicorn, Django and so on. An environment of its
 * own, so that none of them changes what the example app runs on. Throws PythonProblem.
 */
export const serversPython = environment([example, at('test/support/servers.txt')], () => newerPython('the servers'))

/** The path of a Python that has the systems that users are imported from. An environment of its own. Throws PythonProblem. */
export const userSystemsPython = environment(
  [at('test/support/user-systems.txt')],
  () => newerPython('these systems'),
  []
)

/**
 * The path of the oldest Python that is there and not too old, with the oldest FastAPI that the library is for, and of the
 * newest one with the newest FastAPI and what checks the library. Throw PythonProblem.
 */
export const oldestPython = environment([join(library, 'tests/oldest.txt')], async () => (await allPythons()).oldest)
export const newestPython = environment(
  [example, pytest, join(library, 'tests/checks.txt')],
  async () => (await allPythons()).newest
)

const minorOf = ({ version }: Python) => Number(version.split('.')[1])

/** The oldest and the newest Python from 3.10 on: of the path, and of pyenv where that is installed. Throws PythonProblem. */
export async function allPythons(): Promise<{ oldest: Python; newest: Python }> {
  const first = await findPython()
  const versions = join(process.env['PYENV_ROOT'] ?? join(homedir(), '.pyenv'), 'versions')
  const commands = [
    ...[10, 11, 12, 13, 14].map((minor) => `python3.${minor}`),
    ...(existsSync(versions) ? readdirSync(versions).map((name) => join(versions, name, 'bin', 'python')) : [])
  ]
  const found = await Promise.all(commands.map(async (command) => ({ command, version: await pythonVersion(command) })))
  const pythons = found
    .flatMap(({ command, version }) => (version === undefined ? [] : [{ command, version }]))
    .filter((python) => python.version.startsWith('3.') && minorOf(python) >= 10)
    .toSorted((a, b) => minorOf(a) - minorOf(b))
  return { oldest: pythons[0] ?? first, newest: pythons.at(-1) ?? first }
}

/** As `withoutPython`, for what needs the systems that users are imported from. */
export function withoutUserSystems(): Promise<false | string> {
  return missing(userSystemsPython)
}

/** As `withoutPython`, for what needs the other servers. */
export function withoutServers(): Promise<false | string> {
  return missing(serversPython)
}

/**
 * For `{ skip: await withoutPython() }`: false where the example app can run, the reason where Python is missing.
 * With CI=true it throws instead, so that nothing is skipped there unseen.
 */
export function withoutPython(): Promise<false | string> {
  return missing(testPython)
}

async function missing(python: () => Promise<string>): Promise<false | string> {
  try {
    await python()
    return false
  } catch (error) {
    if (!(error instanceof PythonProblem) || process.env['CI'] === 'true') throw error
    return error.message
  }
}
