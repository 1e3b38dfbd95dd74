import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { Readable } from 'node:stream'
import t from 'tap'
import { request } from 'undici'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startOpenGatewayProcess, watchMemory } from '../support/processes.ts'

const skip = existsSync('/proc/self/status') ? false : 'there is no /proc to read the memory of a process from'
const size = 100_000_000
const limit = 30_000_000

const block = Buffer.from(Array.from({ length: 65_536 }, (_, i) => (i * 7) & 255))
function* blocks(bytes: number) {
  for (let left = bytes; left > 0; left -= block.length) yield left < block.length ? block.subarray(0, left) : block
}
function digest(bytes: number): string {
  const hash = createHash('sha256')
  for (const each of blocks(bytes)) hash.update(each)
  return hash.digest('hex')
}

t.test('a hundred megabytes go up and down, and the gateway stays as small as it was', { skip }, async (t) => {
  const upstream = await startEchoUpstream(t, (asked, response) => {
    const bytes = Number(/bytes=(\d+)/.exec(asked.url ?? '')?.[1] ?? 0)
    if (asked.method === 'GET') {
      if (asked.url?.includes('chunked') === false) response.setHeader('content-length', bytes)
      Readable.from(blocks(bytes)).pipe(response)
      return
    }
    const hash = createHash('sha256')
    asked.on('data', (chunk: Buffer) => hash.update(chunk))
    asked.on('end', () => response.end(hash.digest('hex')))
  })
  const gateway = await startOpenGatewayProcess(t, upstream.url)
  const { pid } = gateway.child
  const { host } = new URL(gateway.publicUrl)
  const url = `http://127.0.0.1:${gateway.port}/public/x`

  async function down(bytes: number, more = ''): Promise<string> {
    const { body } = await request(`${url}?bytes=${bytes}${more}`, { headers: { host } })
    const hash = createHash('sha256')
    for await (const chunk of body) hash.update(chunk)
    return hash.digest('hex')
  }
  async function up(bytes: number, headers: Record<string, string> = {}): Promise<string> {
    const body = Readable.from(blocks(bytes))
    const answer = await request(url, { method: 'POST', headers: { host, ...headers }, body })
    return answer.body.text()
  }

  const expected = digest(size)
  // Warmed: the code is compiled and the heap has its working size.
  const warm = 20_000_000
  for (let i = 0; i < 2; i++) await Promise.all([up(warm), down(warm), down(warm, '&chunked')])
  const memory = watchMemory(t, pid)

  t.equal(await up(size, { 'content-length': String(size) }), expected, 'up, with a length')
  t.equal(await up(size), expected, 'up, chunked')
  t.equal(await down(size), expected, 'down, with a length')
  t.equal(await down(size, '&chunked'), expected, 'down, chunked')
  const grown = memory.grown()
  t.comment(`${Math.round(memory.before / 1e6)} MB before, ${Math.round(grown / 1e5) / 10} MB more at most`)
  t.ok(grown < limit, `${grown} bytes more at most`)
})
