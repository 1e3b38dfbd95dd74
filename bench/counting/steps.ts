import { type Profiler, Session } from 'node:inspector'
import type { Counter } from './header-copies.ts'

const counted = /\/node_modules\/undici\/|\/(?:proxy|auth|src)\/[^?]*\.ts$/

/**
 * Counts the blocks of code (functions, loop bodies, branches) that this process runs in the gateway and in undici, as
 * V8's block coverage does: a loop over all connections shows however fast the machine is. It has to begin before the
 * gateway starts: what was compiled earlier is counted by its functions alone. It slows everything down.
 */
export function countSteps(): Counter {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  let count = 0
  // Each answer counts from the one before. In the process's own thread the answer comes before `post` returns.
  const take = () =>
    session.post('Profiler.takePreciseCoverage', (error, coverage) => {
      if (error === null) count += stepsIn(coverage.result)
    })
  take()
  count = 0
  return {
    get count() {
      take()
      return count
    },
    stop() {
      session.post('Profiler.stopPreciseCoverage')
      session.disconnect()
    }
  }
}

function stepsIn(scripts: readonly Profiler.ScriptCoverage[]): number {
  let steps = 0
  for (const { url, functions } of scripts)
    if (counted.test(url)) for (const { ranges } of functions) for (const range of ranges) steps += range.count
  return steps
}
