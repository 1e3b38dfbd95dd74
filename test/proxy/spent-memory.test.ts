import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { AnswerMemory, giveBackMemoryOf, giveBackUnwritten, mayGoOnceWritten } from '../../proxy/spent-memory.ts'

const size = 65_536
const full = (byte = 1) => Buffer.from(new ArrayBuffer(size)).fill(byte)

/** Memory that was just read, and how much of it is still there. */
function piece() {
  const buffer = full()
  mayGoOnceWritten(buffer)
  return { buffer, left: () => buffer.buffer.byteLength }
}

t.test('a piece of an answer is given back once it is written, and not before', async (t) => {
  const answer = new AnswerMemory()
  const first = piece()
  const second = piece()
  const written = answer.beforeWrite(first.buffer)
  answer.beforeWrite(second.buffer)
  t.equal(first.left(), size)
  written?.()
  t.equal(first.left(), 0)
  t.equal(second.left(), size)
})

t.test('memory of several parts is given back when the last of them is written and another follows', async (t) => {
  const answer = new AnswerMemory()
  answer.beforeWrite(piece().buffer)?.()
  const { buffer, left } = piece()
  const one = answer.beforeWrite(buffer.subarray(8, 1_000))
  const two = answer.beforeWrite(buffer.subarray(1_008))
  one?.()
  two?.()
  t.equal(left(), size, 'more of it may come')
  answer.beforeWrite(piece().buffer)
  t.equal(left(), 0)

  const slow = piece()
  const written = answer.beforeWrite(slow.buffer.subarray(8))
  answer.beforeWrite(piece().buffer)
  t.equal(slow.left(), size, 'the client has not got it yet')
  written?.()
  t.equal(slow.left(), 0)
})

t.test('where headers or trailers may lie stays', async (t) => {
  const answer = new AnswerMemory()
  const first = piece()
  const last = piece()
  answer.beforeWrite(first.buffer.subarray(200))?.()
  answer.beforeWrite(piece().buffer)?.()
  answer.beforeWrite(last.buffer.subarray(0, size - 200))?.()
  t.equal(first.left(), size)
  t.equal(last.left(), size)
})

t.test('what could not be written stays', async (t) => {
  const { buffer, left } = piece()
  new AnswerMemory().beforeWrite(buffer)?.(new Error('the client is gone'))
  t.equal(left(), size)
})

t.test('memory that others have a part of, or that nobody spoke of, stays', async (t) => {
  const shared = full()
  mayGoOnceWritten(shared.subarray(8))
  const pooled = Buffer.allocUnsafe(Buffer.poolSize / 4)
  mayGoOnceWritten(pooled)
  giveBackUnwritten(pooled)
  const unspoken = full()
  for (const buffer of [shared.subarray(8), pooled, unspoken]) {
    const answer = new AnswerMemory()
    answer.beforeWrite(piece().buffer)?.()
    answer.beforeWrite(buffer)?.()
    answer.beforeWrite(piece().buffer)?.()
  }
  t.equal(shared.length, size)
  t.equal(unspoken.length, size)
  t.equal(pooled.length, Buffer.poolSize / 4)
})

t.test('what nobody reads is given back at once', async (t) => {
  const buffer = full()
  giveBackUnwritten(buffer)
  t.equal(buffer.length, 0)
})

async function openPair(t: Test): Promise<[Socket, Socket]> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const near = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1')
  const [far]: Socket[] = await once(server, 'connection')
  if (far === undefined) throw new Error('nobody came')
  t.teardown(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  return [near, far]
}

t.test('a connection gives back what it has written, and keeps what waits for its reader', async (t) => {
  const [near, far] = await openPair(t)
  giveBackMemoryOf(near)
  far.pause()
  const sent: ReturnType<typeof piece>[] = []
  // The kernel takes some megabytes, then whoever writes has to wait.
  while (near.writableLength < 10 * size) {
    const each = piece()
    each.buffer.fill(sent.length)
    sent.push(each)
    near.write(each.buffer)
    await new Promise(setImmediate)
  }
  t.equal(sent[0]?.left(), 0)
  t.match(
    sent.slice(-10).map(({ left }) => left()),
    Array(10).fill(size)
  )
  const kept = full()
  near.write(kept)
  near.end('the end')

  let at = 0
  let wrong = 0
  for await (const chunk of far)
    for (const byte of chunk.subarray(0, Math.max(0, sent.length * size - at)))
      if (byte !== (Math.floor(at++ / size) & 255)) wrong++
  t.equal(at, sent.length * size)
  t.equal(wrong, 0, 'and what was given back had arrived as it was')
  t.ok(sent.every(({ left }) => left() === 0))
  t.equal(kept.length, size, 'what nobody said may go is still there')
})
