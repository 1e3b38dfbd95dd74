import { fileURLToPath } from 'node:url'
import { ensureVirtualEnvironment, findPython, PythonProblem } from '../../examples/demo/python.ts'

const folder = fileURLToPath(new URL('../../node_modules/.cache/gatehouse', import.meta.url))
const requirements = [fileURLToPath(new URL('../../examples/fastapi/requirements.txt', import.meta.url))]

let made: Promise<string> | undefined

/** The path of a Python that runs the example app; made once for all test files. Throws PythonProblem. */
export function testPython(onInstall?: (installer: 'uv' | 'pip') => void): Promise<string> {
  made ??= findPython().then((python) =>
    ensureVirtualEnvironment({ python, folder, requirements, ...(onInstall === undefined ? {} : { onInstall }) })
  )
  return made
}

/**
 * For `{ skip: await withoutPython() }`: false where the example app can run, the reason where Python is missing.
 * With CI=true it throws instead, so that nothing is skipped there unseen.
 */
export async function withoutPython(): Promise<false | string> {
  try {
    await testPython()
    return false
  } catch (error) {
    if (!(error instanceof PythonProblem) || process.env['CI'] === 'true') throw error
    return error.message
  }
}
