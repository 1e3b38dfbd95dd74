import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { readConfig, variableNames } from '../../src/config/environment.ts'
import { blocksOf, blockWith, pageOf, pages, root, variablesIn } from './documents.ts'

const run = promisify(execFile)
const systemdAnalyze = '/usr/bin/systemd-analyze'

// What the production rules want besides what a page talks about.
const rest = {
  NODE_ENV: 'production',
  BETTER_AUTH_URL: 'https://app.example.com',
  BETTER_AUTH_SECRET: 'a secret of this test, which is long enough',
  DATABASE_URL: 'postgres://user:password@db.example.com/app'
}

t.test('variables that are shown in a file can be used in production', async (t) => {
  const files = pages.flatMap(blocksOf).filter(({ language, text }) => language === 'ini' && !text.includes('[Unit]'))
  t.ok(files.length >= 3)
  for (const { page, text } of files) {
    const shown = variablesIn(text)
    t.ok(Object.keys(shown).length > 0, page)
    for (const name of Object.keys(shown)) t.ok([...variableNames, 'NODE_ENV'].includes(name), `${page}: ${name}`)
    t.doesNotThrow(() => readConfig({ ...rest, ...shown }, root), `${page}: ${Object.keys(shown).join(', ')}`)
  }
})

t.test('the units for systemd start what there is, and give it the time that it takes to stop', async (t) => {
  const unit = blockWith('docs/deploying.md', 'Description=Gatehouse')
  const commands = [...unit.matchAll(/^ExecStart(?:Pre)?=(.+)$/gm)].map(([, command]) => command)
  t.same(commands, ['/opt/shop/bin/gatehouse migrate', '/opt/shop/bin/gatehouse start'])
  const app = blockWith('docs/deploying.md', 'Description=The app')
  const secrets = credentialsOf(unit)
  t.same(credentialsOf(app), ['upstream-token'])
  // As systemd has it: a folder with a file for each credential.
  const folder = t.testdir(Object.fromEntries(secrets.map((name) => [name, secretOf(name)])))
  const environment = environmentOf(unit, folder)
  const { database, drainDelayMs, drainTimeoutMs, production, secret, upstream } = readConfig(
    { BETTER_AUTH_URL: rest.BETTER_AUTH_URL, ...environment },
    root
  )
  t.equal(production, true)
  t.same([secret, upstream.token, database.url].toSorted(), secrets.map(secretOf).toSorted(), 'each secret is read')
  t.equal(upstream.url, `unix:${/--uds (\S+)$/m.exec(app)?.[1]}`)
  t.match(app, new RegExp(`^RuntimeDirectory=${upstream.url.split('/').at(-2)}$`, 'm'))
  t.match(unit, new RegExp(`^SupplementaryGroups=${/^Group=(.+)$/m.exec(app)?.[1]}$`, 'm'))
  const patience = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]) * 1_000
  t.ok(patience > drainDelayMs + 2 * drainTimeoutMs)
  t.match(unit, new RegExp(`^StateDirectory=${environment['DATA_DIR']?.split('/').at(-1)}$`, 'm'))
  t.ok(pageOf('docs/configuration.md').text.includes('the exit status is 2'))
  t.match(unit, /^RestartPreventExitStatus=2$/m)
  t.notMatch(unit, /^MemoryDenyWriteExecute=/m, 'V8 makes machine code')
})

t.test('systemd finds nothing wrong with them', { skip: withoutSystemd() }, async (t) => {
  const units = blocksOf(pageOf('docs/deploying.md')).filter(({ text }) => text.includes('[Unit]'))
  t.equal(units.length, 2)
  const folder = t.testdir()
  for (const { text } of units) {
    // What they start is on no machine of a test; systemd looks for it.
    const name = /^# \/etc\/systemd\/system\/(\S+)$/m.exec(text)?.[1] ?? ''
    await writeFile(join(folder, name), text.replace(/\/opt\/shop\/bin\/\w+/g, '/bin/true'))
  }
  const paths = ['shop-app.service', 'gatehouse.service'].map((name) => join(folder, name))
  const { stdout, stderr } = await run(systemdAnalyze, ['verify', '--man=no', ...paths])
  t.same([stdout, stderr], ['', ''])
  const { stdout: exposure } = await run(systemdAnalyze, ['security', '--offline=true', '--no-pager', paths[1] ?? ''])
  t.match(exposure, /exposure level for gatehouse\.service: [01]\.\d/)
})

function withoutSystemd(): false | string {
  if (existsSync(systemdAnalyze)) return false
  const reason = `there is no ${systemdAnalyze}`
  if (process.env['CI'] === 'true') throw new Error(reason)
  return reason
}

function credentialsOf(unit: string): string[] {
  return [...unit.matchAll(/^LoadCredential=([\w-]+):\/etc\/gatehouse\/secrets\/\1$/gm)].map(([, name = '']) => name)
}

function secretOf(credential: string): string {
  return credential === 'database-url' ? rest.DATABASE_URL : `${credential}-of-this-test-which-is-long-enough`
}

function environmentOf(unit: string, credentials: string): Record<string, string> {
  const pairs = [...unit.matchAll(/^Environment=(.+)$/gm)].flatMap(([, line = '']) => line.split(' '))
  return Object.fromEntries(pairs.map((pair) => pair.replace('%d', credentials).split('=', 2)))
}
