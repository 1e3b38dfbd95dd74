import { Sender } from 'ws'

declare module 'ws' {
  // Exported and documented in its source, missing from its types.
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
 * Where the frames of one direction begin and end, whatever the pieces that they arrive in. It reads heads alone, keeps
 * a few numbers, and costs what the heads are long.
 */
export class FrameBoundaries {
  /** Bytes of the current frame's head that have come. */
  #headRead = 0
  /** Bytes of its head that are still to come, once two have told. */
  #headLeft = 0
  /** Those among them that say how long the payload is. */
  #lengthLeft = 0
  /** Of the payload: all of it while the head is read, then what is still to come. */
  #payload = 0
  #isClose = false
  #closed = false

  /** Whether the last byte was the last of a frame, or nothing has come. */
  get atBoundary(): boolean {
    return this.#headRead === 0
  }

  /** Whether a whole close frame has come: its sender says nothing after it. */
  get closed(): boolean {
    return this.#closed
  }

  /** Goes through a piece, to its end or to the first boundary in it; answers how many bytes that are. */
  read(piece: Buffer, toFirstBoundary = false): number {
    let at = 0
    while (at < piece.length) {
      const inPayload = this.#headRead >= 2 && this.#headLeft === 0
      if (inPayload) {
        const step = Math.min(this.#payload, piece.length - at)
        this.#payload -= step
        at += step
      } else this.#readHead(piece[at++] ?? 0)
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
