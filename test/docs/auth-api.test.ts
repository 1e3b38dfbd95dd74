import { openAPI } from 'better-auth/plugins'
import t from 'tap'
import { isRecord } from '../../db/type-guards.ts'
import { withEndpoints } from '../../docs/auth-api.ts'
import { Browser } from '../support/browser.ts'
import { startTestGateway } from '../support/gateway.ts'
import { pageOf } from './documents.ts'

const page = pageOf('docs/auth-api.md')
const endpoints = [...page.text.matchAll(/^### (GET|POST) \/api\/auth(\S+)$/gm)].map(
  ([, method = '', path = '']) => `${method} ${path}`
)

t.test(
  'every endpoint, every limit, every call and every answer is what `npm run docs` makes of a gateway',
  async (t) => {
    const written = await withEndpoints(page.text)
    t.same(written.split('\n'), page.text.split('\n'))
    t.ok(endpoints.length >= 30)
  }
)

t.test('what the page says of every endpoint is so', async (t) => {
  const gateway = await startTestGateway(t)
  const ada = new Browser(gateway.url, gateway.publicUrl)
  const code = async (answer: ReturnType<Browser['ask']>) => {
    const { status, text } = await answer
    const body: unknown = text === '' ? {} : JSON.parse(text)
    return [status, isRecord(body) ? body['code'] : undefined]
  }
  t.equal((await ada.signUp('ada')).status, 200)
  const json = { 'content-type': 'application/json' }
  const post = (headers: Record<string, string>, body: string | Buffer) =>
    code(ada.ask('/api/auth/update-user', { method: 'POST', headers: { ...json, ...headers }, body }))
  t.same(await post({}, '{"name":"Ada"}'), [200, undefined])
  t.same(await post({ origin: 'https://evil.example' }, '{}'), [403, 'INVALID_ORIGIN'])
  t.same(await post({ origin: '' }, '{}'), [403, 'MISSING_OR_NULL_ORIGIN'])
  t.same(await post({}, `{"name":"${'x'.repeat(201)}"}`), [400, 'REQUEST_INVALID'])
  t.same(await post({}, `{"name":${'['.repeat(65)}${']'.repeat(65)}}`), [400, 'REQUEST_INVALID'])
  t.same(await post({}, Buffer.alloc(65_537, 0x20)), [413, 'BODY_TOO_LARGE'])
  t.same((await ada.post('/api/auth/nothing')).status, 404)
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const grace = new Browser(gateway.url, gateway.publicUrl)
  const fields = 'name=grace&email=grace%40example.com&password=correct+horse+battery'
  t.equal((await grace.ask('/api/auth/sign-up/email', { method: 'POST', headers: form, body: fields })).status, 200)
})

t.test('openAPI describes the endpoints of the page', async (t) => {
  const gateway = await startTestGateway(t, { policy: { auth: { plugins: [openAPI()] } } })
  const somebody = new Browser(gateway.url, gateway.publicUrl)
  const answer = await somebody.ask('/api/auth/open-api/generate-schema')
  t.equal(answer.status, 200)
  const document = answer.json()
  if (!isRecord(document) || !isRecord(document['paths'])) throw new Error('no document')
  t.match(document['openapi'], /^3\.1/)
  const described = Object.entries(document['paths']).flatMap(([path, item]) =>
    isRecord(item)
      ? Object.keys(item).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`)
      : []
  )
  const own = ['GET /open-api/generate-schema']
  t.same(
    described.filter((name) => !endpoints.includes(name) && !own.includes(name)),
    [],
    'every one of them is on the page'
  )
  const hidden = [...page.text.matchAll(/`(\/[\w:/]+)`/g)].map(([, path]) => path)
  for (const name of endpoints.filter((one) => !described.includes(one)))
    t.ok(hidden.includes(name.split(' ')[1]), `${name} is said to be left out`)

  const reference = await somebody.ask('/api/auth/reference')
  t.equal(reference.status, 200)
  t.match(reference.text, 'https://cdn.jsdelivr.net/npm/@scalar/api-reference')
  const closed = await startTestGateway(t, {
    policy: { auth: { plugins: [openAPI({ disableDefaultReference: true })] } }
  })
  t.equal((await new Browser(closed.url, closed.publicUrl).ask('/api/auth/reference')).status, 404)
})
