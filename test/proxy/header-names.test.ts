import t from 'tap'
import { HeaderNames } from '../../proxy/response-headers.ts'

t.test('a name is described once, however often it comes and in whichever form', async (t) => {
  const described: string[] = []
  const names = new HeaderNames((name) => described.push(name))
  for (let i = 0; i < 3; i++) {
    t.equal(names.of(Buffer.from('Content-Type')).name, 'Content-Type')
    t.equal(names.of('Content-Type').about, 1)
  }
  t.same(described, ['Content-Type'])
})

t.test('names that differ in one byte, in case or in length are different names', async (t) => {
  const names = new HeaderNames((name) => name)
  for (const name of ['vary', 'Vary', 'vars', 'var', 'x\xe9', 'x\xc3', '', 'a'.repeat(64), 'a'.repeat(65), 'vary'])
    t.same(names.of(Buffer.from(name, 'latin1')), { ...names.of(name), name, about: name })
})

t.test('what is kept is not changed by what is read into the same memory later', async (t) => {
  const names = new HeaderNames((name) => name)
  const memory = Buffer.from('etag')
  names.of(memory)
  memory.write('date')
  t.equal(names.of(memory).about, 'date')
  t.equal(names.of('etag').about, 'etag')
})

t.test('made-up names take no memory for good and slow no others down', async (t) => {
  let described = 0
  const names = new HeaderNames((name) => {
    described++
    return name
  })
  const madeUp = Array.from({ length: 10_000 }, (_, i) => `x${1_000_000 + i}`)
  t.same(
    madeUp.filter((name) => names.of(name).about !== name),
    []
  )
  described = 0
  for (let i = 0; i < 3; i++) names.of('x-known-')
  t.equal(described, 1)
})
