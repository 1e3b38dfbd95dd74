import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'

const upstream = await startEchoUpstream(t, (request, response) => {
  const said = new URLSearchParams(request.url?.split('?')[1])
  for (const [name, value] of said) response.appendHeader(name, value)
  response.end('ok')
})
const gateway = await startTestGateway(t, { upstreamUrl: upstream.url })
const ada = new Browser(gateway.url, gateway.publicUrl)
const nobody = new Browser(gateway.url, gateway.publicUrl)
await ada.signUp('ada')

async function marks(browser: Browser, path: string) {
  const { headers } = await browser.ask(path)
  return [headers['vary'], headers['cache-control']]
}

t.test('an answer about somebody is theirs alone, unless FastAPI says otherwise', async (t) => {
  t.same(await marks(ada, '/me'), ['Cookie', 'private'])
  t.same(await marks(ada, '/optional/x'), ['Cookie', 'private'])
  t.same(await marks(ada, '/me?Cache-Control=public,max-age=60'), ['Cookie', 'public,max-age=60'])
  t.same(await marks(ada, '/me?Cache-Control=no-store'), ['Cookie', 'no-store'])
})

t.test('Vary is added to what FastAPI says, once', async (t) => {
  t.same(await marks(ada, '/me?Vary=Accept'), ['Accept, Cookie', 'private'])
  t.same(await marks(ada, '/me?Vary=accept,%20COOKIE'), ['accept, COOKIE', 'private'])
  t.same(await marks(ada, '/me?Vary=*'), ['*', 'private'])
  t.same(await marks(ada, '/me?Vary=A&Vary=B'), [['A', 'B, Cookie'], 'private'])
})

t.test('an anonymous answer where another would have been named varies too, and may be shared', async (t) => {
  t.same(await marks(nobody, '/optional/x'), ['Cookie', undefined])
})

t.test('a public answer is left alone, whoever asks', async (t) => {
  for (const browser of [ada, nobody]) {
    t.same(await marks(browser, '/public/x'), [undefined, undefined])
    t.same(await marks(browser, '/public/x?Vary=Accept&Cache-Control=public'), ['Accept', 'public'])
  }
})

t.test('a refusal is never stored', async (t) => {
  for (const path of ['/me', '/deny/x', '/public//x']) t.equal((await marks(nobody, path))[1], 'no-store', path)
})
