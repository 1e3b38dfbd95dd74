import t from 'tap'
import { closeFrame, FrameGate } from '../../proxy/websocket-frames.ts'

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

const goodbye = closeFrame(1001, 'going away', false)
const stream = Buffer.concat([frame(3), frame(0), frame(125), frame(126), frame(70_000, { masked: true }), frame(1)])

function read(gate: FrameGate): Buffer {
  const parts: Buffer[] = []
  for (let part = gate.read(); part !== null; part = gate.read()) parts.push(part)
  return Buffer.concat(parts)
}

t.test('bytes pass unchanged, however they are cut up', async (t) => {
  for (const size of [1, 2, 3, 7, 1_000, stream.length]) {
    const gate = new FrameGate({ highWaterMark: 1e9 })
    for (let at = 0; at < stream.length; at += size) gate.write(stream.subarray(at, at + size))
    t.ok(read(gate).equals(stream), `${size} at a time`)
  }
})

t.test('the last word is said at once between two frames', async (t) => {
  const gate = new FrameGate()
  gate.write(frame(5))
  gate.finish(goodbye)
  gate.write(frame(6))
  t.ok(read(gate).equals(Buffer.concat([frame(5), goodbye])))
})

t.test('in the middle of a frame the last word waits for its end, wherever it was cut', async (t) => {
  for (const whole of [frame(5), frame(200, { masked: true }), frame(70_000, { masked: true })]) {
    for (const cut of [1, 2, 3, 9, 13, whole.length - 1]) {
      if (cut >= whole.length) continue
      const gate = new FrameGate({ highWaterMark: 1e9 })
      gate.write(whole.subarray(0, cut))
      gate.finish(goodbye)
      gate.write(Buffer.concat([whole.subarray(cut), frame(9)]))
      gate.write(frame(9))
      t.ok(read(gate).equals(Buffer.concat([whole, goodbye])), `${whole.length} cut at ${cut}`)
    }
  }
})

t.test('there is one last word', async (t) => {
  const gate = new FrameGate()
  gate.finish(goodbye)
  gate.finish(closeFrame(1008, 'session ended', false))
  t.ok(read(gate).equals(goodbye))
})

t.test('a close frame is masked towards a server and plain towards a client', async (t) => {
  t.same([...goodbye.subarray(0, 4)], [0x88, 12, 0x03, 0xe9])
  t.equal(goodbye.subarray(4).toString(), 'going away')
  const masked = closeFrame(1008, 'x', true)
  t.same([masked[0], masked[1]], [0x88, 0x80 | 3])
  const mask = masked.subarray(2, 6)
  t.same(
    [...masked.subarray(6)].map((byte, i) => byte ^ (mask[i % 4] ?? 0)),
    [0x03, 0xf0, 0x78]
  )
})
