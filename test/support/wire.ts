import { connect } from 'node:net'
import { sendRaw } from './raw-http.ts'

/** An answer as it came over the wire, its body freed of the chunked framing. */
export interface WireAnswer {
  readonly status: number
  readonly reason: string
  /** Names and values as they were sent, in their order. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Latin-1. */
  readonly body: string
  /** The values of one header, whatever its case. */
  all(name: string): string[]
  /** The only value of one header; undefined without any. Throws when there are several. */
  only(name: string): string | undefined
  /** The body as JSON; throws when it is none. */
  json(): unknown
}

/** Sends one request, byte for byte, on a connection that it asks to be closed, and reads the answer to its end. */
export async function askRaw(
  port: number,
  requestLine: string,
  headers: readonly string[],
  body: string | Buffer = ''
): Promise<WireAnswer> {
  const closes = headers.some((line) => /^connection:/i.test(line)) ? [] : ['Connection: close']
  const head = `${[requestLine, ...headers, ...closes].join('\r\n')}\r\n\r\n`
  return readAnswer(await sendRaw(port, Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body)])))
}

/** Reads the first answer that is not an interim one. */
export function readAnswer(received: string): WireAnswer {
  const end = received.indexOf('\r\n\r\n')
  const [statusLine = '', ...lines] = received.slice(0, end).split('\r\n')
  const [, code, ...reason] = statusLine.split(' ')
  const status = Number(code)
  const rest = received.slice(end + 4)
  if (status >= 100 && status < 200 && status !== 101) return readAnswer(rest)
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
  })
  const all = (name: string) =>
    headers.filter(([other]) => other.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
  const body = all('transfer-encoding').includes('chunked') ? unchunk(rest) : rest
  return {
    status,
    reason: reason.join(' '),
    headers,
    body,
    all,
    only(name) {
      const values = all(name)
      if (values.length > 1) throw new Error(`${name} came ${values.length} times`)
      return values[0]
    },
    json: () => JSON.parse(body)
  }
}

function unchunk(framed: string): string {
  let body = ''
  let rest = framed
  for (;;) {
    const lineEnd = rest.indexOf('\r\n')
    const size = Number.parseInt(rest.slice(0, lineEnd), 16)
    if (!(size > 0)) return body
    body += rest.slice(lineEnd + 2, lineEnd + 2 + size)
    rest = rest.slice(lineEnd + 2 + size + 2)
  }
}

/** A connection that a test writes to step by step. */
export interface Wire {
  /** Everything that has come back so far, as Latin-1. */
  received(): string
  write(bytes: string | Buffer): void
  /** Resolves once `pattern` has come; rejects when it has not within `limitMs`, or the connection closed first. */
  until(pattern: RegExp, limitMs?: number): Promise<string>
  /** Resolves to everything that came once the other side has closed. */
  closed(limitMs?: number): Promise<string>
  pause(): void
  resume(): void
  destroy(): void
}

/** Opens a connection to this port of this machine. */
export function openWire(port: number): Promise<Wire> {
  return new Promise((resolve, reject) => {
    let received = ''
    let isClosed = false
    const waiting = new Set<() => void>()
    const tell = () => {
      for (const check of waiting) check()
    }
    const socket = connect(port, '127.0.0.1', () => {
      resolve({
        received: () => received,
        write: (bytes) => socket.write(bytes),
        until: (pattern, limitMs = 30_000) =>
          settle(() => {
            if (pattern.test(received)) return received
            if (isClosed) throw new Error(`closed before ${pattern}: ${received}`)
            return undefined
          }, limitMs),
        closed: (limitMs = 30_000) => settle(() => (isClosed ? received : undefined), limitMs),
        pause: () => socket.pause(),
        resume: () => socket.resume(),
        destroy: () => socket.destroy()
      })
    })
    socket.setEncoding('latin1')
    socket.on('data', (text) => {
      received += text
      tell()
    })
    socket.on('error', reject)
    socket.on('close', () => {
      isClosed = true
      tell()
    })

    function settle(question: () => string | undefined, limitMs: number): Promise<string> {
      return new Promise((done, fail) => {
        const limit = setTimeout(() => {
          waiting.delete(check)
          fail(new Error(`it did not come within ${limitMs} ms: ${received}`))
        }, limitMs)
        const check = () => {
          try {
            const answer = question()
            if (answer === undefined) return
            done(answer)
          } catch (error) {
            fail(error)
          }
          clearTimeout(limit)
          waiting.delete(check)
        }
        waiting.add(check)
        check()
      })
    }
  })
}
