import { execFile } from 'node:child_process'
import t from 'tap'
import { withoutPython } from '../support/python.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { blocksOf, pages, root } from './documents.ts'

const npm = /npm run (?:--silent )?gatehouse -- /
const fastapi = 'http://127.0.0.1:8000'
const shown = pages.flatMap(blocksOf)
const sessions = shown
  .filter(({ language, text }) => language === 'console' && npm.test(text))
  .flatMap(({ page, text }) => text.split(/^\$ /m).map((session) => ({ page, lines: session.split('\n') })))
  .flatMap(({ page, lines: [command = '', ...printed] }) => (command === '' ? [] : [{ page, command, printed }]))

t.test('what is shown of a terminal is what the commands print', async (t) => {
  const alone = sessions.filter(({ command }) => !command.includes(fastapi))
  t.ok(alone.length >= 3)
  for (const { page, command, printed } of alone)
    t.equal((await run(command, t.testdir())).output, printed.join('\n'), `${page}: ${command}`)
})

t.test(
  'what is shown about an API, shortened, is among what is printed',
  { skip: await withoutPython() },
  async (t) => {
    const asking = sessions.filter(({ command }) => command.includes(fastapi))
    t.ok(asking.length >= 1)
    const { url } = await startUvicorn(t)
    const words = (line: string) => line.split(/\s+/).join(' ')
    for (const { page, command, printed } of asking) {
      const lines = (await run(command.replace(fastapi, url), t.testdir())).output.split('\n').map(words)
      for (const line of printed) t.ok(lines.includes(words(line)), `${page}: ${line}`)
    }
  }
)

t.test('commands that look and change nothing can be typed as they stand', async (t) => {
  const looking = shown
    .filter(({ language }) => language === 'sh')
    .flatMap(({ page, text }) => text.split('\n').map((line) => ({ page, line })))
    .filter(({ line }) => /^npm run gatehouse -- (routes|explain)\b(?!.*(--openapi|--cookie-jar))/.test(line))
  t.ok(looking.length >= 2)
  for (const { page, line } of looking) t.match(await run(line, t.testdir()), { status: 0 }, `${page}: ${line}`)
})

/** The script without npm, whose own notices differ from machine to machine. */
function run(command: string, dataDir: string): Promise<{ status: number; output: string }> {
  const direct = command.replace(npm, `'${process.execPath}' src/gatehouse.js `)
  const env = { PATH: process.env['PATH'], DATA_DIR: dataDir }
  return new Promise((resolve) => {
    execFile('/bin/sh', ['-c', `exec 2>&1; ${direct}`], { cwd: root, env }, (error, output) => {
      resolve({ status: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, output })
    })
  })
}
