import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'

const logging = new URL('../../src/logging/logger.ts', import.meta.url).href

/** What a process prints that writes log lines with this code and `log`, `lines` and `process`. */
async function printed(t: Test, code: string): Promise<{ msg: string; n?: number }[]> {
  const program = `
    import { createLogDestination, createLogger } from ${JSON.stringify(logging)}
    const lines = createLogDestination((write) => process.once('exit', write))
    const log = createLogger('info', lines)
    ${code}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  t.equal(stderr, '')
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
}

t.test('lines of many turns come in their order, each once', async (t) => {
  const found = await printed(
    t,
    `for (let n = 0; n < 2_000; n++) {
      log.info({ n }, 'counted')
      if (n % 7 === 0) await new Promise((done) => setImmediate(done))
    }`
  )
  t.same(
    found.map(({ n }) => n),
    Array.from({ length: 2_000 }, (_, n) => n)
  )
})

t.test('the last lines of a process that exits at once are written', async (t) => {
  const found = await printed(t, "for (let n = 0; n < 300; n++) log.info({ n }, 'counted'); process.exit(0)")
  t.equal(found.length, 300)
})

t.test('what ends a process is written before it ends, with what was said before', async (t) => {
  const found = await printed(t, "log.info('before'); log.fatal('the end'); process.reallyExit(1)")
  t.same(
    found.map(({ msg }) => msg),
    ['before', 'the end']
  )
})
