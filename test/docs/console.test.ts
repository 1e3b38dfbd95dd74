import { execFile } from 'node:child_process'
import t from 'tap'
import { blocksOf, pages, root } from './documents.ts'

const blocks = pages.flatMap(blocksOf)
const npm = /npm run (?:--silent )?gatehouse -- /

t.test('what is shown of a terminal is what the commands print', async (t) => {
  const shown = blocks.filter(({ language, text }) => language === 'console' && npm.test(text))
  t.ok(shown.length >= 2)
  for (const { page, text } of shown) {
    for (const session of text.split(/^\$ /m).filter((part) => part !== '')) {
      const [command = '', ...printed] = session.split('\n')
      t.equal((await run(command, t.testdir())).output, printed.join('\n'), `${page}: ${command}`)
    }
  }
})

t.test('commands that look and change nothing can be typed as they stand', async (t) => {
  const looking = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(({ page, text }) => text.split('\n').map((line) => ({ page, line })))
    .filter(({ line }) => /^npm run gatehouse -- (routes|explain)\b(?!.*(--openapi|--cookie-jar))/.test(line))
  t.ok(looking.length >= 2)
  for (const { page, line } of looking) t.match(await run(line, t.testdir()), { status: 0 }, `${page}: ${line}`)
})

/** The script without npm, whose own notices differ from machine to machine. */
function run(command: string, dataDir: string): Promise<{ status: number; output: string }> {
  const direct = command.replace(npm, `'${process.execPath}' src/cli.ts `)
  const env = { PATH: process.env['PATH'], DATA_DIR: dataDir }
  return new Promise((resolve) => {
    execFile('/bin/sh', ['-c', `exec 2>&1; ${direct}`], { cwd: root, env }, (error, output) => {
      resolve({ status: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, output })
    })
  })
}
