import type { Writable } from 'node:stream'
import t from 'tap'
import { Receiver } from 'ws'
import { closeFrame, FrameBoundaries } from '../../proxy/websocket-frames.ts'

declare module 'ws' {
  // Missing from its types.
  export const Receiver: new (options: { isServer: boolean }) => Writable
}

function frame(length: number, { masked = false, opcode = 0x82 } = {}): Buffer {
  const mask = masked ? 0x80 : 0
  const head =
    length < 126
      ? Buffer.from([opcode, mask | length])
      : length < 65_536
        ? Buffer.from([opcode, mask | 126, length >> 8, length & 255])
        : Buffer.concat([
            Buffer.from([opcode, mask | 127]),
            Buffer.from(BigInt(length).toString(16).padStart(16, '0'), 'hex')
          ])
  return Buffer.concat([head, masked ? Buffer.from([1, 2, 3, 4]) : Buffer.alloc(0), Buffer.alloc(length, 0x61)])
}

const frames = [frame(3), frame(0), frame(125), frame(126), frame(70_000, { masked: true }), frame(0, { masked: true })]
const stream = Buffer.concat(frames)
const ends = frames.map((_, i) => Buffer.concat(frames.slice(0, i + 1)).length)

t.test('the boundaries are found, however the bytes are cut up', async (t) => {
  for (const size of [1, 2, 3, 7, 1_000, stream.length]) {
    const boundaries = new FrameBoundaries()
    t.ok(boundaries.atBoundary, 'before the first frame')
    const found: number[] = []
    for (let at = 0; at < stream.length; at += size) {
      const piece = stream.subarray(at, at + size)
      for (let read = 0; read < piece.length; ) {
        read += boundaries.read(piece.subarray(read), true)
        if (boundaries.atBoundary) found.push(at + read)
      }
    }
    t.same(found, ends, `${size} at a time`)
  }
})

t.test('without being asked to stop it goes to the end of the piece', async (t) => {
  const boundaries = new FrameBoundaries()
  t.equal(boundaries.read(stream), stream.length)
  t.ok(boundaries.atBoundary)
  t.equal(boundaries.read(stream.subarray(0, 4)), 4)
  t.ok(boundaries.read(stream.subarray(4, 6)) === 2 && !boundaries.atBoundary)
})

t.test('a length of 64 bits is read as one', async (t) => {
  const boundaries = new FrameBoundaries()
  const length = 2 ** 40 + 3
  const head = Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0])
  head.writeBigUInt64BE(BigInt(length), 2)
  boundaries.read(head)
  const piece = Buffer.alloc(2 ** 26)
  for (let i = 0; i < 2 ** 14; i++) boundaries.read(piece)
  t.notOk(boundaries.atBoundary)
  t.equal(boundaries.read(Buffer.alloc(10), true), 3)
  t.ok(boundaries.atBoundary)
})

t.test('a close frame is noticed once it is whole', async (t) => {
  for (const masked of [false, true]) {
    const boundaries = new FrameBoundaries()
    const goodbye = closeFrame(1001, 'going away', masked)
    boundaries.read(Buffer.concat([frame(5), goodbye.subarray(0, -1)]))
    t.notOk(boundaries.closed)
    boundaries.read(goodbye.subarray(-1))
    t.ok(boundaries.closed)
  }
  const others = new FrameBoundaries()
  for (const opcode of [0x80, 0x81, 0x82, 0x89, 0x8a]) others.read(frame(8, { opcode }))
  t.notOk(others.closed)
})

t.test('a close frame is masked towards a server and plain towards a client', async (t) => {
  for (const masked of [false, true]) {
    const receiver = new Receiver({ isServer: masked })
    const heard = new Promise((resolve) =>
      receiver.on('conclude', (code: number, reason: Buffer) => resolve([code, String(reason)]))
    )
    receiver.write(closeFrame(1008, 'session ended', masked))
    t.same(await heard, [1008, 'session ended'])
  }
})
