import { randomBytes } from 'node:crypto'
import t from 'tap'
import { request as ask } from 'undici'
import { pairings, startPairing } from '../property/servers.ts'
import { startTestGateway } from '../support/gateway.ts'
import { noDatabase } from '../support/processes.ts'
import { withoutServers } from '../support/python.ts'
import { askRaw } from '../support/wire.ts'

const skip = await withoutServers()
const rules = [
  { path: '/public/*', access: 'public' },
  { path: '/admin', access: 'session' }
] as const
const headers = ['Script_Name', 'SCRIPT_NAME', 'Script-Name', 'Daphne-Root-Path', 'daphne-root-path', 'X-Script-Name']

for (const [name, moves] of [
  ['gunicorn with Flask', 'SCRIPT_NAME'],
  ['gunicorn with Django', 'SCRIPT_NAME'],
  ['daphne with FastAPI', 'Daphne-Root-Path'],
  ['daphne with Django', 'Daphne-Root-Path']
] as const) {
  t.test(`a public path stays the path that was judged, before ${name}`, { skip }, async (t) => {
    const pairing = pairings[name]
    if (pairing === undefined) throw new Error(name)
    const controlKey = randomBytes(16).toString('hex')
    const server = await startPairing(t, pairing, controlKey)
    const told = await ask(`${server.url}/__rules`, {
      method: 'POST',
      headers: { 'x-control-key': controlKey },
      body: JSON.stringify(rules)
    })
    await told.body.dump()
    const gateway = await startTestGateway(t, {
      upstreamUrl: server.url,
      env: { ...noDatabase, TRUSTED_PROXIES: '' },
      policy: { routes: rules }
    })
    const host = `Host: ${new URL(gateway.publicUrl).host}`
    const routedBy = async (port: number, line?: string) => {
      const lines = line === undefined ? [host] : [host, line]
      return (await askRaw(port, 'GET /public/admin HTTP/1.1', lines)).only('x-routed')
    }
    t.equal(await routedBy(server.port, `${moves}: /public`), '1', 'reached directly, the header makes it /admin')
    t.equal(await routedBy(gateway.port), '0')
    for (const header of headers) t.equal(await routedBy(gateway.port, `${header}: /public`), '0', header)
    t.equal((await askRaw(gateway.port, 'GET /admin HTTP/1.1', [host])).status, 401)
  })
}
