import { createCipheriv, createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startOpenGatewayProcess } from '../support/processes.ts'

// The memory of large bodies is given back while others are on their way. Given back too early, it would be filled with
// somebody else's bytes before it is sent. The C library is asked to fill it at once, so that each such case shows.
const env = { MALLOC_PERTURB_: '85' }

interface Kind {
  readonly bytes: number
  /** Bytes that are written at a time. */
  readonly piece: number
  readonly length: boolean
  readonly slow: boolean
}

// A slow reader's body is more than the kernels' buffers take, so that the gateway has to hold some of it.
const slow = { bytes: 16_000_000, slow: true } as const
const fast = { bytes: 2_000_000, slow: false } as const
const kinds: readonly Kind[] = [2_000, 10_007, 300_000].flatMap((piece) =>
  [true, false].flatMap((length) => [
    { ...fast, piece, length },
    { ...(piece > 2_000 ? slow : fast), piece, length }
  ])
)

/** Bytes that no other seed has. */
function* body(seed: number, bytes: number, piece: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16))
  for (let left = bytes; left > 0; left -= piece) yield cipher.update(Buffer.alloc(Math.min(left, piece)))
}

function digestOf(seed: number, bytes: number): string {
  const hash = createHash('sha256')
  for (const each of body(seed, bytes, 65_536)) hash.update(each)
  return hash.digest('hex')
}

async function digest(stream: AsyncIterable<Uint8Array>, slow: boolean): Promise<string> {
  const hash = createHash('sha256')
  let before = -1
  let read = 0
  for await (const chunk of stream) {
    hash.update(chunk)
    const now = Math.floor(read / 4_000_000)
    if (slow && now > before) await wait(200)
    before = now
    read += chunk.length
  }
  return hash.digest('hex')
}

async function answer(asked: IncomingMessage, response: ServerResponse): Promise<void> {
  const { searchParams } = new URL(asked.url ?? '', 'http://a')
  if (asked.method === 'POST') {
    const read = await digest(asked, searchParams.get('slow') === 'true').catch(brokenOff)
    response.end(read)
    return
  }
  const number = (name: string) => Number(searchParams.get(name))
  if (searchParams.get('length') === 'true') response.setHeader('content-length', number('bytes'))
  Readable.from(body(number('seed'), number('bytes'), number('piece'))).pipe(response)
}

function brokenOff(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code !== 'ECONNRESET' && code !== 'UND_ERR_SOCKET') throw error
  return String(code)
}

async function arriveAsSent(t: Test, upstreamUrl: string, more: Record<string, string> = {}): Promise<void> {
  const gateway = await startOpenGatewayProcess(t, upstreamUrl, { ...env, ...more })
  const { host } = new URL(gateway.publicUrl)
  const url = `http://127.0.0.1:${gateway.port}/public/x`
  async function down(seed: number, { bytes, piece, length, slow }: Kind): Promise<string> {
    const query = `seed=${seed}&bytes=${bytes}&piece=${piece}&length=${length}`
    const answer = await request(`${url}?${query}`, { headers: { host } })
    return digest(answer.body, slow)
  }
  async function up(seed: number, { bytes, piece, length, slow }: Kind): Promise<string> {
    const headers = { host, ...(length && { 'content-length': String(bytes) }) }
    const sent = { method: 'POST', headers, body: Readable.from(body(seed, bytes, piece)) } as const
    return (await request(`${url}?slow=${slow}`, sent)).body.text()
  }
  const all = kinds.flatMap((kind) => [down, up].map((way) => ({ kind, way })))
  let next = 0
  const eight = Array.from({ length: 8 }, async () => {
    for (let seed = next++; seed < all.length; seed = next++) {
      const one = all[seed]
      if (one === undefined) continue
      const { way, kind } = one
      // A connection to the upstream that breaks under load brings a refusal and nobody's bytes: such a call is sent again.
      const answer = await way(seed, kind).catch(brokenOff)
      const isDigest = /^[0-9a-f]{64}$/.test(answer)
      if (!isDigest) t.comment(`broken off, and sent again: ${way.name} ${JSON.stringify(kind)}`)
      const whole = isDigest ? answer : await way(seed, kind)
      t.equal(whole, digestOf(seed, kind.bytes), `${way.name} ${JSON.stringify(kind)}`)
    }
  })
  await Promise.all(eight)
}

t.test('bodies that pass side by side arrive as they were sent', async (t) => {
  const upstream = await startEchoUpstream(t, answer)
  await arriveAsSent(t, upstream.url)
})

t.test('and so they do where the upstream is reached over https', async (t) => {
  const file = (name: string) => new URL(`../proxy/certificates/${name}`, import.meta.url).pathname
  const server = createServer({
    key: readFileSync(file('upstream.key.pem')),
    cert: readFileSync(file('upstream.pem'))
  })
  server.on('request', answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  await arriveAsSent(t, `https://127.0.0.1:${port}`, { UPSTREAM_CA_FILE: file('ca.pem') })
})
