import t from 'tap'
import { readConfig, variableNames } from '../../src/config/environment.ts'
import { blocksOf, blockWith, pageOf, pages, root, variablesIn } from './documents.ts'

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

t.test('the unit for systemd starts what there is, and gives it the time that it takes to stop', async (t) => {
  const unit = blockWith('docs/deploying.md', '[Unit]')
  const commands = [...unit.matchAll(/^ExecStart(?:Pre)?=\S+ (.+)$/gm)].map(([, command]) => command)
  t.same(commands, ['src/gatehouse.js migrate', '--max-semi-space-size=16 src/gatehouse.js start'])
  const set = /^Environment=(.+)$/m.exec(unit)?.[1]?.split(' ') ?? []
  const environment = Object.fromEntries(set.map((pair) => pair.split('=')))
  const { drainDelayMs, drainTimeoutMs } = readConfig({ ...rest, ...environment }, root)
  const patience = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]) * 1_000
  t.ok(patience > drainDelayMs + 2 * drainTimeoutMs)
  t.match(unit, new RegExp(`^StateDirectory=${environment['DATA_DIR']?.split('/').at(-1)}$`, 'm'))
  t.ok(pageOf('docs/configuration.md').text.includes('the exit status is 2'))
  t.match(unit, /^RestartPreventExitStatus=2$/m)
})
