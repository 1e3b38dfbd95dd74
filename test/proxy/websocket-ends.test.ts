import { readFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import t from 'tap'
import type { EndReason, Outcome } from '../../auth/live-connection-limits.ts'
import { reset } from '../../proxy/close-connection.ts'
import { relay } from '../../proxy/websocket-relay.ts'
import { until } from '../support/until.ts'

// Every state that the two sockets of a WebSocket can be in, times everything that can happen to it, over real sockets.
// The far sides are the worst there are: they never answer an end with one of their own.

const certificates = join(import.meta.dirname, 'certificates')
const limits = { closeMs: 100, lingerMs: 200 }

const frame = (opcode: number, payload: Buffer, masked: boolean) =>
  Buffer.concat([
    payload.length < 126
      ? Buffer.from([opcode, (masked ? 0x80 : 0) | payload.length])
      : Buffer.from([opcode, (masked ? 0x80 : 0) | 126, payload.length >> 8, payload.length & 255]),
    Buffer.alloc(masked ? 4 : 0),
    payload
  ])
const goodbyes = new Map<string, EndReason>([
  ['03f0', 'session ended'],
  ['03e9', 'going away']
])

/** The frames in what was sent or received, as hexadecimal, and whether there is a part of one after them. */
function framesIn(bytes: Buffer): { frames: string[]; cut: boolean } {
  const frames: string[] = []
  for (let at = 0; ; ) {
    if (at === bytes.length) return { frames, cut: false }
    const second = bytes[at + 1] ?? 0
    const extended = (second & 127) === 126 ? 2 : 0
    const head = 2 + extended + (second & 128 ? 4 : 0)
    if (bytes.length < at + head) return { frames, cut: true }
    const length = extended === 2 ? bytes.readUInt16BE(at + 2) : second & 127
    const end = at + head + length
    if (bytes.length < end) return { frames, cut: true }
    const mask = second & 128 ? bytes.subarray(at + head - 4, at + head) : Buffer.alloc(4)
    const payload = bytes.subarray(at + head, end).map((byte, i) => byte ^ (mask[i % 4] ?? 0))
    frames.push(`${bytes[at]?.toString(16)}:${Buffer.from(payload).toString('hex')}`)
    at = end
  }
}

/** One of the two parties, with the gateway's socket to it. */
class Party {
  readonly near: Socket
  readonly far: Socket
  readonly masked: boolean
  /** TLS and Unix sockets have only one way to end. */
  readonly knowsReset: boolean
  readonly #heard: Buffer[] = []
  readonly #said: Buffer[] = []
  #saidLength = 0
  ending: 'ended' | 'broken' | undefined
  hasLeft = false

  constructor(near: Socket, far: Socket, masked: boolean, knowsReset: boolean) {
    this.near = near
    this.far = far
    this.masked = masked
    this.knowsReset = knowsReset
    far.on('data', (bytes) => this.#heard.push(bytes))
    far.on('end', () => {
      this.ending ??= 'ended'
    })
    far.on('error', () => {
      this.ending = 'broken'
    })
  }

  get said(): Buffer {
    return Buffer.concat(this.#said)
  }

  get heard(): Buffer {
    return Buffer.concat(this.#heard)
  }

  /** Says these bytes and waits until the gateway has read them. */
  async say(bytes: Buffer): Promise<void> {
    this.#said.push(bytes)
    this.far.write(bytes)
    this.#saidLength += bytes.length
    while (this.near.bytesRead < this.#saidLength) await new Promise((resolve) => setImmediate(resolve))
  }

  message(length = 1_000): Buffer {
    return frame(0x82, Buffer.alloc(length, 'a'), this.masked)
  }

  closing(): Buffer {
    return frame(0x88, Buffer.from([0x0f, 0xa0]), this.masked)
  }

  /** Says so much that bytes wait in the gateway for the other, who does not read; `much` makes the gateway stop reading. */
  async fill(other: Party, much: boolean): Promise<void> {
    other.far.pause()
    const piece = Buffer.concat(Array<Buffer>(16).fill(this.message()))
    while (other.near.writableLength === 0) await this.say(piece)
    if (!much) return
    while (!other.near.writableNeedDrain) await this.say(piece)
    // On the way, and not read by the gateway.
    const rest = Buffer.concat(Array<Buffer>(20).fill(piece))
    this.#said.push(rest)
    this.far.write(rest)
  }

  async finish(): Promise<void> {
    this.far.end()
    await until(() => this.near.readableEnded)
  }
}

interface Pair {
  readonly client: Party
  readonly upstream: Party
}

const listeners = new Map<string, Server>()
async function sockets(kind: 'tcp' | 'unix' | 'tls', farListens: boolean): Promise<{ near: Socket; far: Socket }> {
  const listener = listeners.get(kind) ?? (await listen(kind))
  listeners.set(kind, listener)
  const accepted = new Promise<Socket>((resolve) =>
    listener.once(kind === 'tls' ? 'secureConnection' : 'connection', resolve)
  )
  const address = listener.address()
  const target =
    typeof address === 'string' ? { path: address } : { host: '127.0.0.1', port: address === null ? 0 : address.port }
  // The far side stays open whatever the gateway says; the gateway's own is made as its callers make it.
  const options = { ...target, allowHalfOpen: !farListens }
  const made = kind === 'tls' ? connectTls({ ...options, rejectUnauthorized: false }) : connect(options)
  t.teardown(() => made.destroy())
  const taken = await accepted
  t.teardown(() => taken.destroy())
  return farListens ? { near: made, far: taken } : { near: taken, far: made }
}

async function listen(kind: 'tcp' | 'unix' | 'tls'): Promise<Server> {
  const read = (name: string) => readFileSync(join(certificates, name))
  const server =
    kind === 'tls'
      ? createTlsServer({ key: read('upstream.key.pem'), cert: read('upstream.pem'), allowHalfOpen: true })
      : createServer({ allowHalfOpen: true })
  await new Promise<void>((resolve) => {
    if (kind === 'unix') server.listen(join(t.testdir(), 'upstream.sock'), resolve)
    else server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => server.close())
  return server
}

const states: Record<string, (pair: Pair) => Promise<void>> = {
  'no frames yet': async () => {},
  'idle after some frames': async ({ client, upstream }) => {
    await client.say(client.message())
    await upstream.say(upstream.message())
  },
  'client half-closed': ({ client }) => client.finish(),
  'upstream half-closed': ({ upstream }) => upstream.finish(),
  'both half-closed': async ({ client, upstream }) => {
    client.far.end()
    upstream.far.end()
  },
  'client does not read': ({ client, upstream }) => upstream.fill(client, true),
  'upstream does not read': ({ client, upstream }) => client.fill(upstream, true),
  'nobody reads': async ({ client, upstream }) => {
    await upstream.fill(client, true)
    await client.fill(upstream, true)
  },
  'client half-closed, upstream does not read': async ({ client, upstream }) => {
    await client.fill(upstream, false)
    await client.finish()
  },
  'upstream half-closed, client does not read': async ({ client, upstream }) => {
    await upstream.fill(client, false)
    await upstream.finish()
  },
  'client in a frame': ({ client }) => client.say(client.message().subarray(0, 500)),
  'upstream in a frame': ({ upstream }) => upstream.say(upstream.message().subarray(0, 3)),
  'both in a frame': async ({ client, upstream }) => {
    await client.say(client.message().subarray(0, 1))
    await upstream.say(upstream.message().subarray(0, 999))
  },
  'client said its close frame': ({ client }) => client.say(client.closing()),
  'upstream said its close frame': ({ upstream }) => upstream.say(upstream.closing()),
  'both said their close frames': async ({ client, upstream }) => {
    await client.say(client.closing())
    await upstream.say(upstream.closing())
  },
  'upstream said its close frame, client does not read': async ({ client, upstream }) => {
    await upstream.fill(client, false)
    await upstream.say(upstream.closing())
  }
}

type Act = (pair: Pair, end: (reason: EndReason) => void) => void
const leave = (party: Party, how: (far: Socket) => void) => {
  party.hasLeft = true
  how(party.far)
}
const events: Record<string, { act: Act; outcome: Outcome }> = {
  'the session ends': { act: (_, end) => end('session ended'), outcome: 'session ended' },
  'a drain begins': { act: (_, end) => end('going away'), outcome: 'going away' },
  'a drain begins, and the session ends': {
    act(_, end) {
      end('going away')
      end('session ended')
    },
    outcome: 'going away'
  },
  'the session ends twice, the second time later': {
    act(_, end) {
      end('session ended')
      setImmediate(end, 'session ended')
    },
    outcome: 'session ended'
  },
  'the client resets': { act: ({ client }) => leave(client, reset), outcome: 'client left' },
  'the upstream resets': { act: ({ upstream }) => leave(upstream, reset), outcome: 'upstream broke off' },
  'the client is gone': { act: ({ client }) => leave(client, (far) => far.destroy()), outcome: 'client left' },
  'the upstream is gone': {
    act: ({ upstream }) => leave(upstream, (far) => far.destroy()),
    outcome: 'upstream broke off'
  },
  'the client half-closes': { act: ({ client }) => client.far.end(), outcome: 'client left' },
  'the upstream half-closes': { act: ({ upstream }) => upstream.far.end(), outcome: 'upstream broke off' },
  'the session ends as the client resets': {
    act({ client }, end) {
      leave(client, reset)
      end('session ended')
    },
    outcome: 'session ended'
  },
  'the upstream resets as the session ends': {
    act({ upstream }, end) {
      end('session ended')
      leave(upstream, reset)
    },
    outcome: 'session ended'
  }
}

/** What may be told of a cell: what happened, or what had happened before, or that somebody stood still. */
function outcomesOf(state: string, event: string, outcome: Outcome): Outcome[] {
  const before: Outcome[] = []
  if (/^client half/.test(state)) before.push('client left')
  if (/^upstream half/.test(state)) before.push('upstream broke off')
  if (/^both half/.test(state)) before.push('client left', 'upstream broke off')
  if (/close frame/.test(state)) before.push('finished')
  const isOurs = /session|drain/.test(event)
  // What has come to its end before the gateway could end it.
  if (isOurs) return /^both half/.test(state) ? [outcome, ...before] : [outcome]
  const mayStand = /read/.test(state) ? (['timed out'] as const) : []
  return [...(before.length > 0 ? before : [outcome]), ...mayStand]
}

/** What one party heard: the other's frames in their order, whole or broken off, one goodbye at most and nothing after it. */
function faultIn(listener: Party, speaker: Party): string | undefined {
  if (listener.hasLeft) return undefined
  const heard = framesIn(listener.heard)
  const said = framesIn(speaker.said)
  const ours = heard.frames.findIndex((text, i) => text !== said.frames[i])
  if (ours !== -1) {
    const [opcode, payload = ''] = (heard.frames[ours] ?? '').split(':')
    const reason = Buffer.from(payload.slice(4), 'hex').toString()
    if (opcode !== '88' || goodbyes.get(payload.slice(0, 4)) !== reason) return `a foreign frame ${heard.frames[ours]}`
    if (ours !== heard.frames.length - 1 || heard.cut) return 'bytes after a goodbye'
    if (heard.frames.slice(0, ours).some((text) => text.startsWith('88:'))) return 'a goodbye after a close frame'
  }
  const saidAll = listener.heard.length === speaker.said.length
  if (heard.cut && listener.ending !== 'broken' && !saidAll && listener.knowsReset)
    return `a part of a frame, and then it ${listener.ending}`
  return undefined
}

const told: { cell: string; outcomes: Outcome[] }[] = []

for (const kind of ['tcp', 'unix', 'tls'] as const) {
  for (const [state, arrange] of Object.entries(states)) {
    t.test(`${state}, upstream over ${kind}`, async (t) => {
      const pairs: Pair[] = []
      for (let i = 0; i < Object.keys(events).length; i++) {
        const [there, here] = [await sockets('tcp', false), await sockets(kind, true)]
        pairs.push({
          client: new Party(there.near, there.far, true, true),
          upstream: new Party(here.near, here.far, false, kind === 'tcp')
        })
      }
      const cells = Object.entries(events).map(async ([event, { act, outcome }], i) => {
        const cell = `${state}, and ${event} (${kind})`
        const pair = pairs[i]
        if (pair === undefined) return
        const { client, upstream } = pair
        const outcomes: Outcome[] = []
        told.push({ cell, outcomes })
        const head = Buffer.alloc(0)
        const live = relay(
          { socket: client.near, head },
          { socket: upstream.near, head },
          (how) => outcomes.push(how),
          limits
        )
        await arrange(pair)
        act(pair, (reason) => live.end(reason))
        const isClosed = () => client.near.closed && upstream.near.closed
        // A FIN behind what the gateway may not read yet is not there yet: whoever reads slowly may take its time.
        const hides = kind === 'tcp' ? /half-closes|is gone/ : /half-closes|is gone|upstream resets$/
        const mayStay = /read/.test(state) && hides.test(event)
        let ended = false
        await until(() => {
          if (mayStay && !ended && outcomes.length === 0) {
            ended = true
            setTimeout(() => live.end('session ended'), limits.lingerMs * 2)
          }
          return isClosed()
        }).catch(() => t.fail(`${cell}: not closed`))
        for (const { far } of [client, upstream]) far.resume()
        await until(() => [client, upstream].every(({ ending, far }) => ending !== undefined || far.destroyed))
        live.end('going away')
        const allowed = [...outcomesOf(state, event, outcome), ...(mayStay ? ['session ended'] : [])]
        t.equal(outcomes.length, 1, `${cell}: told once`)
        t.ok(allowed.includes(outcomes[0] ?? ''), `${cell}: ${outcomes[0]}`)
        t.equal(faultIn(client, upstream), undefined, `${cell}: the client hears frames`)
        t.equal(faultIn(upstream, client), undefined, `${cell}: the upstream hears frames`)
        client.far.destroy()
        upstream.far.destroy()
      })
      await Promise.all(cells)
    })
  }
}

t.test('nothing was told twice', async (t) => {
  t.same(
    told.filter(({ outcomes }) => outcomes.length !== 1),
    []
  )
})
