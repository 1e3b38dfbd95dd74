import t from 'tap'
import { readArguments } from '../../bench/arguments.ts'
import { sections } from '../../bench/sections.ts'
import { blocksOf, pages } from './documents.ts'

const known = sections.map(({ name }) => name)

t.test('the benchmark understands every command that is shown of it', async (t) => {
  const lines = pages.flatMap(blocksOf).flatMap(({ text }) => text.match(/^npm run bench.*$/gm) ?? [])
  t.ok(lines.length >= 3)
  for (const line of lines) {
    const args = line.replace(/^npm run bench( -- )?/, '').replace(/\s*#.*$/, '')
    t.doesNotThrow(
      () =>
        readArguments(
          args.split(' ').filter((arg) => arg !== ''),
          known
        ),
      line
    )
  }
})
