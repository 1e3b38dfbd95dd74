import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { z } from 'zod'
import policy from '../../gatehouse.config.ts'
import { startTestGateway } from '../support/gateway.ts'
import { withoutPython } from '../support/python.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { blocksOf, blockWith, pageOf } from './documents.ts'

const run = promisify(execFile)
const shown = 'http://localhost:8080'
const commands = (path: string) =>
  blocksOf(pageOf(path))
    .filter(({ language, text }) => language === 'sh' && text.startsWith('curl ') && text.includes(shown))
    .map(({ text }) => text.trim())

const answer = (value: unknown) => z.record(z.string(), z.unknown()).parse(value)

t.test('the curl commands do what the pages say', { skip: await withoutPython() }, async (t) => {
  const upstream = await startUvicorn(t)
  const gateway = await startTestGateway(t, { upstreamUrl: upstream.url, policy })
  const cwd = join(t.testdir({ somebody: {} }), 'somebody')
  const curl = async (command: string) =>
    (await run('sh', ['-c', command.replaceAll(shown, gateway.publicUrl)], { cwd })).stdout
  const json = async (command: string): Promise<unknown> => JSON.parse(await curl(command))

  const [signUp = '', me = '', stranger = '', ...more] = commands('README.md')
  t.same(more, [])
  t.match(await json(signUp), { user: { email: 'ada@example.com' } })
  t.same({ ...answer(await json(me)), id: '' }, { ...answer(JSON.parse(blockWith('README.md', '{ "id": '))), id: '' })
  // Of an answer to nobody all is shown but what tells one request from another, and most headers.
  const [head = '', body = ''] = blockWith('README.md', 'HTTP/1.1 401').split('\n\n')
  const answered = await curl(stranger)
  for (const line of head.split('\n')) t.ok(answered.toLowerCase().includes(`${line.toLowerCase()}\r\n`), line)
  const refusal = answer(JSON.parse(answered.split('\r\n\r\n')[1] ?? ''))
  for (const shown of [body, blockWith('docs/refusals.md', '"requestId"')])
    t.same({ ...answer(JSON.parse(shown)), requestId: '' }, { ...refusal, requestId: '' })

  const [signIn = '', use = '', post = '', signOut = '', ...rest] = commands('docs/scripts-and-mobile.md')
  t.same(rest, [])
  t.match(await json(signIn), { user: { email: 'ada@example.com' } })
  t.match(await json(use), { email: 'ada@example.com' })
  t.match(await json(post), { size: 15 })
  const withoutOrigin = signOut.replace(/-H 'Origin: [^']*' /, '')
  t.match(await json(withoutOrigin), { code: 'MISSING_OR_NULL_ORIGIN' }, 'it is refused, as the page says')
  t.match(await json(signOut), { success: true })
  t.match(await json(use), { code: 'SESSION_REQUIRED' })
})
