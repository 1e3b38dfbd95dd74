import { Sender } from 'ws'

declare module 'ws' {
  // `ws` exports and documents it; its types lack it.
  export const Sender: {
    frame(
      data: Buffer,
      options: { fin: boolean; opcode: number; mask: boolean; readOnly: boolean; rsv1: boolean }
    ): Buffer[]
  }
}

// RFC 6455, section 5.2.
const closeOpcode = 8

/** A close frame. Frames from a client are masked, those from a server are not (RFC 6455, section 5.3). */
export function closeFrame(code: number, reason: string, masked: boolean): Buffer {
  const payload = Buffer.from(`  ${reason}`)
  payload.writeUInt16BE(code)
  return Buffer.concat(
    Sender.frame(payload, { fin: true, opcode: closeOpcode, mask: masked, readOnly: false, rsv1: false })
  )
}

/**
 * Finds where the frames of one direction begin and end, in whatever chunks they arrive. Only the frames' heads are read,
 * so the cost grows with the heads and not with the payloads.
 */
export class FrameBoundaries {
  /** Bytes of the current frame's head that have come. */
  #headRead = 0
  /** Bytes of the head that are still to come; the first two bytes tell how many. */
  #headLeft = 0
  /** How many of those hold the payload's length. */
  #lengthLeft = 0
  /** Bytes of the payload: its whole length while the head is read, then the bytes still to come. */
  #payload = 0
  #isClose = false
  #closed = false

  /** Whether the last byte ended a frame, or no byte has come yet. */
  get atBoundary(): boolean {
    return this.#headRead === 0
  }

  /** Whether a whole close frame has come; its sender sends nothing after it (RFC 6455, section 5.5.1). */
  get closed(): boolean {
    return this.#closed
  }

  /** Reads a chunk to its end, or to the first boundary in it; returns how many bytes that are. */
  read(chunk: Buffer, toFirstBoundary = false): number {
    let at = 0
    while (at < chunk.length) {
      const inPayload = this.#headRead >= 2 && this.#headLeft === 0
      if (inPayload) {
        const step = Math.min(this.#payload, chunk.length - at)
        this.#payload -= step
        at += step
      } else this.#readHead(chunk[at++] ?? 0)
      if (this.#headRead < 2 || this.#headLeft > 0 || this.#payload > 0) continue
      this.#headRead = 0
      this.#closed ||= this.#isClose
      if (toFirstBoundary) return at
    }
    return at
  }

  #readHead(byte: number): void {
    this.#headRead++
    if (this.#headRead === 1) this.#isClose = (byte & 0x0f) === closeOpcode
    else if (this.#headRead === 2) {
      const short = byte & 0x7f
      this.#lengthLeft = short === 126 ? 2 : short === 127 ? 8 : 0
      this.#headLeft = this.#lengthLeft + ((byte & 0x80) === 0 ? 0 : 4)
      this.#payload = this.#lengthLeft === 0 ? short : 0
    } else {
      this.#headLeft--
      if (this.#lengthLeft === 0) return
      this.#lengthLeft--
      this.#payload = this.#payload * 256 + byte
    }
  }
}
