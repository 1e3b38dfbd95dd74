import { randomBytes } from 'node:crypto'
import { Transform, type TransformCallback } from 'node:stream'

/** A close frame (RFC 6455, sections 5.5.1 and 5.3). Frames from a client are masked, those from a server are not. */
export function closeFrame(code: number, reason: string, masked: boolean): Buffer {
  const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason, 'utf8')])
  const head = Buffer.from([0x88, (masked ? 0x80 : 0) | payload.length])
  if (!masked) return Buffer.concat([head, payload])
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0))])
}

/**
 * Passes one direction of a WebSocket connection through, byte for byte, and knows where frames begin and end, so that
 * the gateway can say a last word between two of them: after `finish(frame)` the current frame is completed, `frame`
 * follows, and nothing else.
 */
export class FrameGate extends Transform {
  readonly #head: number[] = []
  #payloadLeft = 0
  #lastWord: Buffer | null = null
  #finished = false

  finish(frame: Buffer): void {
    if (this.#lastWord !== null) return
    this.#lastWord = frame
    if (this.#atBoundary()) this.#sayLastWord()
  }

  #atBoundary(): boolean {
    return this.#head.length === 0 && this.#payloadLeft === 0
  }

  #sayLastWord(): void {
    if (this.#finished || this.#lastWord === null) return
    this.#finished = true
    this.push(this.#lastWord)
    this.push(null)
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (!this.#finished) {
      const end = this.#walk(chunk)
      this.push(end === chunk.length ? chunk : chunk.subarray(0, end))
      if (this.#lastWord !== null && this.#atBoundary()) this.#sayLastWord()
    }
    done()
  }

  // Where to stop passing on: the end of the chunk or, when there is a last word to say, the next boundary.
  #walk(chunk: Buffer): number {
    let at = 0
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const step = Math.min(this.#payloadLeft, chunk.length - at)
        this.#payloadLeft -= step
        at += step
      } else {
        this.#head.push(chunk[at] ?? 0)
        at++
        const length = payloadLength(this.#head)
        if (length === null) continue
        this.#payloadLeft = length
        this.#head.length = 0
      }
      if (this.#lastWord !== null && this.#atBoundary()) return at
    }
    return at
  }
}

// RFC 6455, section 5.2. Null while the head is incomplete.
function payloadLength(head: readonly number[]): number | null {
  const second = head[1]
  if (second === undefined) return null
  const short = second & 0x7f
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0
  if (head.length < 2 + extended + ((second & 0x80) === 0 ? 0 : 4)) return null
  if (extended === 0) return short
  return head.slice(2, 2 + extended).reduce((length, byte) => length * 256 + byte, 0)
}
