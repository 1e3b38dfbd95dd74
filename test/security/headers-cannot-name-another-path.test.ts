import t from 'tap'
import { withoutPython } from '../support/python.ts'
import { startRoutedGateway } from '../support/routed.ts'

const skip = await withoutPython()

t.test('no header names another path, method, host or scheme than the request itself', { skip }, async (t) => {
  const { ask, host, gateway } = await startRoutedGateway(t, { TRUSTED_PROXIES: '' })
  const pathNames = [
    'X-Forwarded-Uri',
    'X-Forwarded-Path',
    'X-Forwarded-Prefix',
    'X-Forwarded-Url',
    'X-Original-URL',
    'X-Original-URI',
    'X-Rewrite-URL',
    'X-Rewrite-Uri',
    'X-Override-URL',
    'X-Envoy-Original-Path',
    'X-Script-Name',
    'Destination',
    'Content-Location',
    'Request-Uri'
  ]
  const methodNames = ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X-Original-Method']
  const originNames = ['X-Forwarded-Host', 'X-Forwarded-Server', 'X-Host', 'X-Original-Host', 'X-HTTP-Host-Override']
  const lines = (path: string) => [
    `Host: ${host}`,
    ...pathNames.map((name) => `${name}: ${path}`),
    ...methodNames.map((name) => `${name}: DELETE`),
    ...originNames.map((name) => `${name}: evil.example`),
    'X-Forwarded-Proto: https',
    'X-Forwarded-Scheme: https',
    'X-Forwarded-Ssl: on',
    'Front-End-Https: on',
    'X-Forwarded-Port: 443',
    'Forwarded: for=1.2.3.4;host=evil.example;proto=https'
  ]

  await t.test('a path that is protected stays so', async (t) => {
    for (const method of ['GET', 'POST', 'DELETE']) {
      for (const [target, code] of [
        ['/admin', 'SESSION_REQUIRED'],
        ['/admin/x', 'SESSION_REQUIRED'],
        ['/users/ada/secret', 'SESSION_REQUIRED'],
        ['/closed', 'NOT_FOUND']
      ] as const) {
        const refused = await ask(`${method} ${target} HTTP/1.1`, lines('/public/x'))
        t.same([refused.code, refused.routed], [code, undefined], `${method} ${target}`)
      }
    }
  })

  await t.test('a path that is open does not lead to another one, and FastAPI sees what was asked', async (t) => {
    for (const method of ['GET', 'POST']) {
      const { routed } = await ask(`${method} /public/x?q=1 HTTP/1.1`, lines('/admin'))
      t.match(routed, {
        route: '/public/{rest:path}',
        path: '/public/x',
        method,
        url: `${gateway.publicUrl}/public/x?q=1`,
        query: 'q=1'
      })
    }
  })
})
