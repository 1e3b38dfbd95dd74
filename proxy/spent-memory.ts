import type { Socket } from 'node:net'

/**
 * Gives the memory of large bodies back as soon as their bytes are written. Node reads each piece into an ArrayBuffer of
 * its own, outside V8's heap, and V8 looks for those that are garbage only once 64 MB of them have come together, and
 * then through its whole heap (docs/performance.md, "Large bodies").
 *
 * While Node writes it holds no more than an address. So memory may go only after the write has called back, and only if
 * nobody else has a part of it.
 */

// Smaller pieces come with as much garbage inside the heap as outside, and go with that.
const worthIt = 4_096

// Memory that holds one piece and nothing else: no part of a pool that others share.
const ours = new WeakSet<ArrayBufferLike>()

type Written = (error?: Error | null) => void

/** Says of a piece that was just read, and that nobody else keeps, that its memory may go once it is written. */
export function mayGoOnceWritten(piece: Uint8Array): void {
  if (piece.length >= worthIt && isAll(piece)) ours.add(piece.buffer)
}

/** Gives the memory of a piece back that was just read, and that nobody will write or keep. */
export function giveBackUnwritten(piece: Uint8Array): void {
  mayGoOnceWritten(piece)
  giveBack(piece.buffer)
}

/**
 * Has a connection to an upstream give back the memory of what may go once it has written it. What it reads may go once
 * an `AnswerMemory` has seen it written.
 */
export function giveBackMemoryOf(socket: Socket): void {
  const { read, write } = socket
  socket.read = function readOurs(size) {
    const piece: unknown = read.call(socket, size)
    if (piece instanceof Uint8Array) mayGoOnceWritten(piece)
    return piece
  }
  // Undici writes a body without asking when that is done.
  socket.write = function writeOurs(piece: string | Uint8Array, second?: unknown, third?: unknown): boolean {
    if (typeof piece === 'string' || second !== undefined || !ours.has(piece.buffer) || !isAll(piece))
      return Reflect.apply(write, socket, [piece, second, third])
    const memory = piece.buffer
    return write.call(socket, piece, undefined, (error) => {
      if (!error) giveBack(memory)
    })
  }
}

/** The memory that an answer of an upstream is read into, piece after piece. */
export class AnswerMemory {
  #memory: ArrayBufferLike | undefined
  #lease: Lease | undefined

  /** Expects the parts of the answer in their order, none empty. Answers what the write of this one has to call. */
  beforeWrite(part: Uint8Array): Written | undefined {
    if (part.buffer !== this.#memory) {
      this.#lease?.end()
      // The headers may lie where the first part lies, and trailers where the last one does: those stay.
      const mayGo = ours.has(part.buffer) && (this.#memory !== undefined || isAll(part))
      this.#memory = part.buffer
      this.#lease = mayGo ? new Lease(part.buffer) : undefined
    }
    const written = this.#lease?.extend()
    if (isAll(part)) {
      this.#lease?.end()
      this.#lease = undefined
    }
    return written
  }
}

/** Memory that is given back when it was read to its end and all that was read is written. */
class Lease {
  readonly #memory: ArrayBufferLike
  #holders = 1

  constructor(memory: ArrayBufferLike) {
    this.#memory = memory
  }

  extend(): Written {
    this.#holders++
    return this.#onWritten
  }

  end(): void {
    if (--this.#holders === 0) giveBack(this.#memory)
  }

  // What could not be written is left to V8.
  readonly #onWritten: Written = (error) => {
    if (!error) this.end()
  }
}

function isAll({ length, buffer }: Uint8Array): boolean {
  return length === buffer.byteLength
}

function giveBack(memory: ArrayBufferLike): void {
  // Moved to where it has no length: freed now.
  if (ours.delete(memory) && memory instanceof ArrayBuffer) memory.transfer(0)
}
