import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)
const url = new URL('../../proxy/garbage-collection.ts', import.meta.url).href
// V8 would look for the first time after eight seconds, and plan the next look or begin a collection.
const flags = ['--trace-memory-reducer', '--gc-memory-reducer-start-delay-ms=100']
const plan = /Memory reducer: (?:waiting for|started)/

/** What V8 plans to collect for being idle, in a process that has started, made 100 MB of garbage, and has nothing to do then. */
async function plansWhenIdle(afterStart: string): Promise<string[]> {
  const program = `
    import { setTimeout as sleep } from 'node:timers/promises'
    import { setFlagsFromString } from 'node:v8'
    import { collectAfterStart } from '${url}'
    collectAfterStart()
    ${afterStart}
    let kept
    for (let i = 0; i < 20; i++) {
      kept = Array.from({ length: 50_000 }, (_, n) => ({ n }))
      await sleep(5)
    }
    await sleep(1_500)`
  const { stdout } = await run(process.execPath, [...flags, '--input-type=module', '--eval', program])
  if (!stdout.includes('Memory reducer')) throw new Error('V8 has not looked')
  return stdout.split('\n').filter((line) => plan.test(line))
}

t.test('after a start V8 collects nothing for being idle, which would throw compiled code away', async (t) => {
  t.same(await plansWhenIdle(''), [])
  t.not((await plansWhenIdle(`setFlagsFromString('--memory-reducer-gc-count=2')`)).length, 0, 'it would by default')
})
