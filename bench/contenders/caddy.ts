import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../test/support/ports.ts'
import { findProgram } from '../os.ts'
import { listensOn, startProgram, temporaryFolder } from '../processes.ts'
import { cookieOf } from '../sessions-made.ts'
import { type Contender, page } from './contender.ts'

/** Caddy that asks BetterAuth about every request. */
export const caddy: Contender = {
  name: 'caddy forward_auth to BetterAuth',
  needs: 'caddy',
  async start(stage) {
    const folder = await temporaryFolder(stage.cleanup)
    const port = await freePort()
    const auth = await stage.authServer()
    const path = join(folder, 'Caddyfile')
    await writeFile(
      path,
      `{
  admin off
  auto_https off
}
http://127.0.0.1:${port} {
  bind 127.0.0.1
  forward_auth 127.0.0.1:${auth.port} {
    uri /verify
    copy_headers X-User-Id
  }
  reverse_proxy ${new URL((await stage.upstream()).url).host}
}
`
    )
    const program = findProgram('caddy') ?? 'caddy'
    const { pid } = await startProgram(stage.cleanup, program, ['run', '--config', path, '--adapter', 'caddyfile'], {
      env: { XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
      ready: () => listensOn(port)
    })
    const headers = { Cookie: cookieOf(0) }
    return { load: { url: `http://127.0.0.1:${port}${page}`, headers, status: 200 }, pids: [pid, auth.pid] }
  }
}
