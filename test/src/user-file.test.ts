import { execFile } from 'node:child_process'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { readUserFile, type UserEntry, type UserFileFormat } from '../../src/cli/user-file.ts'

const columns = ['email', 'id', 'name']
const dir = t.testdir()
let files = 0

async function write(content: string | Buffer): Promise<string> {
  const path = join(dir, `${++files}`)
  const file = await open(path, 'w')
  await file.writeFile(content)
  await file.close()
  return path
}

async function read(format: UserFileFormat, content: string | Buffer): Promise<UserEntry[]> {
  const entries: UserEntry[] = []
  for await (const entry of readUserFile(await write(content), format, columns)) entries.push(entry)
  return entries
}

t.test('CSV as Postgres, a spreadsheet and Python write it', async (t) => {
  const expected = [
    { line: 2, read: { fields: { email: 'a@x.org', name: 'A, "B"\nC' } } },
    { line: 4, read: { fields: { email: 'é@x.org', name: '' } } },
    { line: 5, read: { fields: { email: '', name: '' } } }
  ]
  const text = 'email,name\na@x.org,"A, ""B""\nC"\né@x.org,""\n,\n'
  t.same(await read('csv', text), expected)
  t.same(await read('csv', `\uFEFF${text.trimEnd()}`), expected)
  const crlf = 'email,name\r\na@x.org,"A"\r\n\r\nb@x.org,B\r\n'
  t.same(
    (await read('csv', crlf)).map(({ line, read }) => [line, 'fields' in read && read.fields['name']]),
    [
      [2, 'A'],
      [4, 'B']
    ]
  )
})

t.test('CSV that is faulty ends the import at that line, and names nothing of it', async (t) => {
  const canary = 'canary@example.org'
  const faulty: [line: number, content: string | Buffer][] = [
    [3, `email,name\na@x.org,A\n${canary}\nb@x.org,B\n`],
    [2, `email,name\n${canary},"A\nb@x.org,B\n`],
    [2, `email,name\n${canary},A"B\n`],
    [2, `email,name\n${canary},"A"B\n`],
    [2, `email,name\n${canary},"${'\n'.repeat(70_000)}"\n`],
    [2, Buffer.concat([Buffer.from(`email,name\n${canary},`), Buffer.from([0xff]), Buffer.from('\n')])]
  ]
  for (const [line, content] of faulty) {
    const problem = await read('csv', content).then(
      () => 'none',
      (error: Error) => error.message
    )
    t.match(problem, new RegExp(`^FILE: line ${line} is not CSV`))
    t.notMatch(problem, canary)
  }
})

t.test('the first line of CSV has to name the columns', async (t) => {
  for (const first of ['canary@example.org,canary', 'email,canary', 'email,email', 'email,', ''])
    await t.rejects(read('csv', `${first}\na@x.org,A\n`), { message: /^FILE: (?!.*canary)/ }, first)
})

t.test('a line that is no JSON object is told, and the next one is read', async (t) => {
  const lines = ['{"email":"a@x.org"}', '[]', 'null', '{', '', `{"name":"${'a'.repeat(70_000)}"}`, '{"id":7}']
  const entries = await read('jsonl', `\uFEFF${lines.join('\n')}`)
  t.same(
    entries.map(({ line, read }) => [line, 'fields' in read]),
    [
      [1, true],
      [2, false],
      [3, false],
      [4, false],
      [6, false],
      [7, true]
    ]
  )
})

t.test('what cannot be read is a sentence', async (t) => {
  for (const path of [dir, join(dir, 'nowhere')])
    await t.rejects(
      (async () => {
        for await (const entry of readUserFile(path, 'csv', columns)) t.fail(String(entry.line))
      })(),
      { message: /^FILE: cannot be read \((EISDIR|ENOENT)\)$/ }
    )
})

t.test('a file of any size is read in little memory', async (t) => {
  const chunk = '{"email":"somebody@example.org","name":"Somebody"}\n'.repeat(20_000)
  for (const content of [chunk, 'a'.repeat(1_048_576), '"'.repeat(1_048_576)]) {
    const path = await write('')
    const file = await open(path, 'a')
    for (let n = 0; n < 40; n++) await file.write(content)
    await file.close()
    // All lines together need several times as much.
    const reader = `
      import { readUserFile } from ${JSON.stringify(import.meta.resolve('../../src/cli/user-file.ts'))}
      let count = 0
      for await (const entry of readUserFile(process.argv[1], 'jsonl', [])) if (entry.line > 0) count++
      console.log(count)`
    const args = ['--max-old-space-size=24', '--input-type=module', '-e', reader, path]
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 120_000 })
    t.equal(stdout, content === chunk ? '800000\n' : '1\n')
  }
})
