import { readFileSync } from 'node:fs'
import t from 'tap'
import { readConfig, variableNames } from '../../src/config/environment.ts'

const lines = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8').split('\n')
const entries = lines.flatMap((line) => {
  const match = /^#?([A-Z_]+)=(.*)$/.exec(line)
  return match === null ? [] : [[match[1] ?? '', match[2] ?? ''] as const]
})

t.test('.env.example lists every variable once, and no other', async (t) => {
  t.same(entries.map(([name]) => name).sort(), [...variableNames].sort())
})

t.test('.env.example sets nothing', async (t) => {
  for (const line of lines) t.match(line, /^(#|$)/)
})

t.test('the values in .env.example are the defaults', async (t) => {
  const shown = readConfig(Object.fromEntries(entries), '/')
  const defaults = readConfig({}, '/')
  t.same(shown, defaults)
})
