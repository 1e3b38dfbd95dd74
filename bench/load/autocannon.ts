import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { LoadGenerator } from './load.ts'

const program = fileURLToPath(new URL('../programs/autocannon.ts', import.meta.url))

/** autocannon in a process of its own. Its latencies are whole milliseconds, and it needs more CPU than wrk. */
export function createAutocannon(): LoadGenerator {
  return {
    name: 'autocannon',
    async run(load, connections, seconds) {
      const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] })
      child.stdin.end(JSON.stringify({ load, connections, seconds }))
      const { wrong, ...answers } = JSON.parse(await text(child.stdout))
      if (wrong > 0) {
        throw new Error(`${load.url}: ${answers.requests} requests, ${wrong} of them went wrong`)
      }
      return answers
    }
  }
}
