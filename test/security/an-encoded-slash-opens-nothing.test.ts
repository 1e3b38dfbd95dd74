import { fileURLToPath } from 'node:url'
import t from 'tap'
import { startEchoUpstream } from '../support/echo-upstream.ts'
import { startTestGateway } from '../support/gateway.ts'
import { noDatabase } from '../support/processes.ts'
import { withoutPython } from '../support/python.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { askRaw } from '../support/wire.ts'

// Behind a rule for `/files/*`, uvicorn serves `/files/7%2Fadmin` at `/files/{id}/admin`.

const skip = await withoutPython()
const dir = fileURLToPath(new URL('../support/apps', import.meta.url))

t.test('a path with an encoded slash reaches the route that its rule is about, or none', { skip }, async (t) => {
  const uvicorn = await startUvicorn(t, { dir, app: 'files:app' })
  const gateway = await startTestGateway(t, {
    upstreamUrl: uvicorn.url,
    env: noDatabase,
    policy: {
      routes: [
        { path: '/files/*', access: 'public', encodedSlashes: true },
        { path: '/files/:id/admin', access: 'session' }
      ]
    }
  })
  const ask = async (port: number, target: string) => {
    const answer = await askRaw(port, `GET ${target} HTTP/1.1`, [`Host: ${new URL(gateway.publicUrl).host}`])
    return { status: answer.status, ...(answer.json() as { route?: string; file_path?: string; code?: string }) }
  }

  const around = [
    '/files/7%2Fadmin',
    '/files/7%2fadmin',
    '/files%2F7%2Fadmin',
    '/files%2F7/admin',
    '/files/7%2F%61dmin',
    '/files/%37%2F%61%64%6d%69%6e',
    '/files/7%2Fadmin?x=/files/7',
    '/files/7%2Fadmin%3F',
    '/files/7%2Fadmin%2F',
    '/files/7%252Fadmin',
    '/files/7%25%32%46admin',
    '/files/x%2F..%2F7%2Fadmin',
    '/files/x/..%2F7%2Fadmin',
    '/files/%2E%2Ffiles/7%2Fadmin',
    '/files/7%2F%2Fadmin',
    '/files/7%5Cadmin',
    '/files/a%2Fb/admin'
  ]
  const led: string[] = []
  for (const target of around) {
    if ((await ask(uvicorn.port, target)).route === 'admin') led.push(target)
    const { status, route, code } = await ask(gateway.port, target)
    t.not(route, 'admin', target)
    if (route === undefined) t.same([status, code], [400, 'PATH_AMBIGUOUS'], target)
  }
  t.ok(led.length >= 6, `without the gateway ${led.join(', ')} lead there`)

  for (const [target, file] of [
    ['/files/home%2Fjohndoe%2Fmyfile.txt', 'home/johndoe/myfile.txt'],
    ['/files/home/johndoe%2fmyfile.txt', 'home/johndoe/myfile.txt'],
    ['/files/7%2Fadmin%2Fx', '7/admin/x'],
    ['/files/7%2FAdmin', '7/Admin']
  ] as const)
    t.match(await ask(gateway.port, target), { status: 200, route: 'file', file_path: file }, target)
  // The tutorial's absolute path is sent without its first slash.
  t.match(await ask(gateway.port, '/files//home/johndoe'), { status: 400, code: 'PATH_AMBIGUOUS' })
})

t.test('so does one before a server that leaves it in its segment', async (t) => {
  const upstream = await startEchoUpstream(t, ({ url = '' }, response) => {
    const path = url.split('?')[0] ?? ''
    response.end(JSON.stringify({ route: /^\/files\/[^/]+$/.test(path) ? 'one file' : 'below' }))
  })
  const gateway = await startTestGateway(t, {
    upstreamUrl: upstream.url,
    env: noDatabase,
    policy: {
      routes: [
        { path: '/files/*', access: 'public', encodedSlashes: true },
        { path: '/files/:id', access: 'session' }
      ]
    }
  })
  const host = `Host: ${new URL(gateway.publicUrl).host}`
  const ask = (target: string) => askRaw(gateway.port, `GET ${target} HTTP/1.1`, [host])
  for (const target of ['/files/a%2Fb', '/files/a%2fb%2Fc', '/files/%61%2F', '/files/a%2Fb?x', '/files/a%2Fb%2F']) {
    const answer = await ask(target)
    t.same([answer.status, (answer.json() as { code?: string }).code], [400, 'PATH_AMBIGUOUS'], target)
  }
  t.equal(upstream.requests.length, 0)
  t.match((await ask('/files/a/b%2Fc')).json(), { route: 'below' })
})
