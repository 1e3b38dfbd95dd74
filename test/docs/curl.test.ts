import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import policy from '../../gatehouse.config.ts'
import { startTestGateway } from '../support/gateway.ts'
import { withoutPython } from '../support/python.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { blocksOf, pageOf } from './documents.ts'

const run = promisify(execFile)
const shown = 'http://localhost:8080'
const commands = (path: string) =>
  blocksOf(pageOf(path))
    .filter(({ language, text }) => language === 'sh' && text.startsWith('curl ') && text.includes(shown))
    .map(({ text }) => text.trim())

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
  t.match(await json(me), { email: 'ada@example.com', email_verified: false })
  t.match(await curl(stranger), /^HTTP\/1\.1 401 [\s\S]*"code":"SESSION_REQUIRED"/)

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
