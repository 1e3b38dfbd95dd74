// Runs before the tests, so that no test file waits for a download within its own time limit.
import { installedPackage } from './built-package.ts'
import { withoutChromium } from './chromium.ts'
import { makeSite } from './docusaurus.ts'
import { newestPython, oldestPython, pytestPython, serversPython, testPython, userSystemsPython } from './python.ts'

try {
  await Promise.all([
    testPython((installer) => process.stdout.write(`Installing the example app's requirements with ${installer} …\n`)),
    pytestPython((installer) => process.stdout.write(`Installing pytest with ${installer} …\n`)),
    serversPython((installer) => process.stdout.write(`Installing other servers with ${installer} …\n`)),
    userSystemsPython((installer) => process.stdout.write(`Installing other systems with users with ${installer} …\n`)),
    oldestPython((installer) => process.stdout.write(`Installing an old FastAPI with ${installer} …\n`)),
    newestPython((installer) => process.stdout.write(`Installing what checks Python with ${installer} …\n`))
  ])
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error)
  if (process.env['CI'] === 'true') {
    process.stderr.write(`${reason}\n`)
    process.exitCode = 1
  } else {
    process.stdout.write(`skipped: the tests that need the example app, other servers or other systems. ${reason}\n`)
  }
}

try {
  if (withoutChromium() === false) await makeSite((what) => process.stdout.write(`${what}, this once …\n`))
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error)
  if (process.env['CI'] === 'true') {
    process.stderr.write(`${reason}\n`)
    process.exitCode = 1
  } else {
    process.stdout.write(`skipped: the tests of the Docusaurus example. ${reason}\n`)
  }
}

try {
  await installedPackage((what) => process.stdout.write(`${what}, this once …\n`))
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error)
  process.stderr.write(`the tests of the npm package will fail: ${reason}\n`)
  if (process.env['CI'] === 'true') process.exitCode = 1
}
