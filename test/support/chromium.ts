import { accessSync, constants } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'
import type { Teardown } from './postgres.ts'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'

/**
 * For `{ skip: withoutChromium() }`: false where the system's Chromium is, at `CHROMIUM_PATH` or /usr/bin/chromium, the
 * reason where it is missing. With CI=true it throws instead, so that nothing is skipped there unseen.
 */
export function withoutChromium(): false | string {
  try {
    accessSync(executablePath, constants.X_OK)
    return false
  } catch {
    const reason = `there is no Chromium at ${executablePath}: install it, or name it with CHROMIUM_PATH`
    if (process.env['CI'] === 'true') throw new Error(reason)
    return reason
  }
}

/**
 * The system's Chromium, closed with the test. Each of its contexts (`browser.newContext()`) is a device of its own, with
 * its own cookies; give it `extraHTTPHeaders: { 'X-Forwarded-For': … }` to have an address of its own too.
 */
export async function startChromium(t: Teardown): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath,
    // What the back button shows out of memory is part of what people see.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-dev-shm-usage']
  })
  t.teardown(() => browser.close())
  return browser
}
