import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../test/support/ports.ts'
import { findProgram } from '../os.ts'
import { listensOn, startProgram, temporaryFolder } from '../processes.ts'
import { cookieOf } from '../sessions-made.ts'
import { answering, type Contender, page } from './contender.ts'

/** Traefik that asks BetterAuth about every request. */
export const traefik: Contender = {
  name: 'traefik forwardAuth to BetterAuth',
  needs: 'traefik',
  async start(stage) {
    const folder = await temporaryFolder(stage.cleanup)
    const port = await freePort()
    const auth = await stage.authServer()
    const path = join(folder, 'routes.json')
    await writeFile(
      path,
      JSON.stringify({
        http: {
          routers: { all: { rule: 'PathPrefix(`/`)', middlewares: ['auth'], service: 'upstream' } },
          middlewares: {
            auth: { forwardAuth: { address: `${auth.url}/verify`, authResponseHeaders: ['X-User-Id'] } }
          },
          services: { upstream: { loadBalancer: { servers: [{ url: (await stage.upstream()).url }] } } }
        }
      })
    )
    const args = [
      `--entryPoints.web.address=127.0.0.1:${port}`,
      `--providers.file.filename=${path}`,
      '--global.checkNewVersion=false',
      '--global.sendAnonymousUsage=false'
    ]
    const { pid } = await startProgram(stage.cleanup, findProgram('traefik') ?? 'traefik', args, {
      ready: () => listensOn(port)
    })
    const headers = { Cookie: cookieOf(0) }
    const load = await answering({ url: `http://127.0.0.1:${port}${page}`, headers, status: 200 })
    return { load, pids: [pid, auth.pid] }
  }
}
