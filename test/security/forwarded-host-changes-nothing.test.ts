import t from 'tap'
import { withoutPython } from '../support/python.ts'
import { startRoutedGateway } from '../support/routed.ts'

const skip = await withoutPython()

t.test('Host decides whether a request is ours, and nothing decides what FastAPI calls itself', { skip }, async (t) => {
  const { ask, host, gateway } = await startRoutedGateway(t)
  const ours = `Host: ${host}`
  const address = `Host: 127.0.0.1:${gateway.port}`
  for (const headers of [
    [ours],
    [address],
    [ours, 'X-Forwarded-Host: evil.example'],
    [address, `X-Forwarded-Host: evil.example, ${host}`, 'X-Forwarded-Host: evil.example'],
    [ours, 'x_forwarded_host: evil.example', 'X-Forwarded.Host: evil.example'],
    [ours, 'Forwarded: host=evil.example;proto=https', 'X-Forwarded-Proto: https'],
    [ours, 'X-Forwarded-Host: /admin#', 'X-Forwarded-Port: 1']
  ]) {
    const { routed } = await ask('GET /public/x HTTP/1.1', headers)
    t.equal(routed?.url, `${gateway.publicUrl}/public/x`, headers.join(', '))
    const redirect = await ask('GET /items HTTP/1.1', headers)
    t.equal(redirect.answer.only('location'), `${gateway.publicUrl}/items/`, headers.join(', '))
  }
  for (const [headers, code] of [
    [['Host: evil.example', `X-Forwarded-Host: ${host}`], 'HOST_UNKNOWN'],
    [['Host: evil.example', `Forwarded: host=${host}`], 'HOST_UNKNOWN'],
    [[`X-Forwarded-Host: ${host}`], undefined],
    [[`Host: ${host}/public/../admin`, `X-Forwarded-Host: ${host}`], 'HOST_INVALID'],
    // CVE-2026-48710: Starlette built `request.url.path` from what came behind the host.
    [[`Host: ${host}/admin?`], 'HOST_INVALID'],
    [[`Host: ${host}#`], 'HOST_INVALID'],
    [[`Host: evil.example@${host}`], 'HOST_INVALID'],
    [[ours, ours], 'HOST_INVALID']
  ] as const) {
    const refused = await ask('GET /public/x HTTP/1.1', headers)
    t.ok(refused.status === 400 || refused.status === 421, `${headers.join(', ')}: ${refused.status}`)
    t.equal(refused.routed, undefined)
    if (code !== undefined) t.equal(refused.code, code, headers.join(', '))
  }
})
