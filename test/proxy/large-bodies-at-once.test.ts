import { existsSync } from 'node:fs'
import { Readable } from 'node:stream'
import t from 'tap'
import { request } from 'undici'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startOpenGatewayProcess, watchMemory } from '../support/processes.ts'

const skip = existsSync('/proc/self/status') ? false : 'there is no /proc to read the memory of a process from'
const size = 10_000_000
const limit = 50_000_000

const block = Buffer.alloc(65_536, 'x')
function* blocks(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= block.length) yield left < block.length ? block.subarray(0, left) : block
}

// What had passed stayed until V8 looked for it: a hundred megabytes, and half of the CPU went into looking.
t.test('a gigabyte that passes in bodies, eight at a time, stays nowhere', { skip }, async (t) => {
  const upstream = await startEchoUpstream(t, (asked, response) => {
    if (asked.method === 'GET') Readable.from(blocks(Number(asked.headers['x-bytes']))).pipe(response)
    else asked.resume().on('end', () => response.end('ok'))
  })
  // V8 may double the space for what is young at any time, which is 50 MB and has nothing to do with bodies.
  const gateway = await startOpenGatewayProcess(t, upstream.url, { NODE_OPTIONS: '--max-semi-space-size=16' })
  const { pid } = gateway.child
  const { host } = new URL(gateway.publicUrl)
  const url = `http://127.0.0.1:${gateway.port}/public/x`
  async function pass(way: 'up' | 'down', bytes: number): Promise<void> {
    const sent = way === 'up' ? ({ method: 'POST', body: Readable.from(blocks(bytes)) } as const) : {}
    const { body } = await request(url, { headers: { host, 'x-bytes': String(bytes) }, ...sent })
    for await (const _ of body);
  }
  async function times(count: number, bytes: number): Promise<void> {
    for (const way of ['up', 'down'] as const) {
      let left = count
      const eight = Array.from({ length: 8 }, async () => {
        while (left-- > 0) await pass(way, bytes)
      })
      await Promise.all(eight)
    }
  }

  // Warmed by small ones: the code is compiled and the heap has its working size.
  await times(3_000, 1_000)
  const memory = watchMemory(t, pid)
  await times(50, size)
  const grown = memory.grown()
  t.comment(`${Math.round(memory.before / 1e6)} MB before, ${Math.round(grown / 1e5) / 10} MB more at most`)
  t.ok(grown < limit, `${grown} bytes more at most`)
})
