import { fileURLToPath } from 'node:url'
import { ensureVirtualEnvironment, findPython, PythonProblem } from '../../examples/demo/python.ts'

const folder = fileURLToPath(new URL('../../node_modules/.cache/gatehouse', import.meta.url))
const requirements = [fileURLToPath(new URL('../../examples/fastapi/requirements.txt', import.meta.url))]

const servers = fileURLToPath(new URL('servers.txt', import.meta.url))

const userSystems = fileURLToPath(new URL('user-systems.txt', import.meta.url))
const pytest = fileURLToPath(new URL('../../examples/fastapi/requirements-test.txt', import.meta.url))

let made: Promise<string> | undefined
let madeForPytest: Promise<string> | undefined
let madeForServers: Promise<string> | undefined
let madeForUsers: Promise<string> | undefined

/** The path of a Python that runs the example app; made once for all test files. Throws PythonProblem. */
export function testPython(onInstall?: (installer: 'uv' | 'pip') => void): Promise<string> {
  made ??= findPython().then((python) =>
    ensureVirtualEnvironment({ python, folder, requirements, ...(onInstall === undefined ? {} : { onInstall }) })
  )
  return made
}

/** The path of a Python that runs the example app's own tests. Throws PythonProblem. */
export function pytestPython(onInstall?: (installer: 'uv' | 'pip') => void): Promise<string> {
  madeForPytest ??= findPython().then((python) =>
    ensureVirtualEnvironment({
      python,
      folder,
      requirements: [...requirements, pytest],
      ...(onInstall === undefined ? {} : { onInstall })
    })
  )
  return madeForPytest
}

/**
 * The path of a Python that has other servers and frameworks as well: gunicorn, Django and so on. An environment of its
 * own, so that none of them changes what the example app runs on. Throws PythonProblem.
 */
export function serversPython(onInstall?: (installer: 'uv' | 'pip') => void): Promise<string> {
  madeForServers ??= findPython().then((python) => {
    if (Number(python.version.split('.')[1]) < 11) throw new PythonProblem('the servers need Python 3.11 or newer')
    return ensureVirtualEnvironment({
      python,
      folder,
      requirements: [...requirements, servers],
      ...(onInstall === undefined ? {} : { onInstall })
    })
  })
  return madeForServers
}

/** The path of a Python that has the systems that users are imported from. An environment of its own. Throws PythonProblem. */
export function userSystemsPython(onInstall?: (installer: 'uv' | 'pip') => void): Promise<string> {
  madeForUsers ??= findPython().then((python) => {
    if (Number(python.version.split('.')[1]) < 11) throw new PythonProblem('these systems need Python 3.11 or newer')
    return ensureVirtualEnvironment({
      python,
      folder,
      requirements: [userSystems],
      ...(onInstall === undefined ? {} : { onInstall })
    })
  })
  return madeForUsers
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
