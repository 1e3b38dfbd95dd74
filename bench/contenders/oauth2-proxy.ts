import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../test/support/ports.ts'
import { findProgram } from '../os.ts'
import { listensOn, startProgram, temporaryFolder } from '../processes.ts'
import { answering, type Contender, page } from './contender.ts'

const password = 'not-a-secret'

/** oauth2-proxy with a session of its own, which it keeps in an encrypted cookie and asks nobody about. */
export const oauth2Proxy: Contender = {
  name: 'oauth2-proxy, session in a cookie',
  needs: 'oauth2-proxy',
  async start(stage) {
    const folder = await temporaryFolder(stage.cleanup)
    const port = await freePort()
    const users = join(folder, 'htpasswd')
    await writeFile(users, `user:{SHA}${createHash('sha1').update(password).digest('base64')}\n`)
    const args = [
      `--http-address=127.0.0.1:${port}`,
      `--upstream=${(await stage.upstream()).url}`,
      `--htpasswd-file=${users}`,
      '--provider=github',
      '--client-id=benchmark',
      '--client-secret=benchmark',
      `--cookie-secret=${'benchmark'.padEnd(32, '-')}`,
      '--cookie-secure=false',
      '--email-domain=*',
      '--request-logging=false'
    ]
    const { pid } = await startProgram(stage.cleanup, findProgram('oauth2-proxy') ?? 'oauth2-proxy', args, {
      ready: () => listensOn(port)
    })
    const signedIn = await fetch(`http://127.0.0.1:${port}/oauth2/sign_in`, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ username: 'user', password, rd: '/' })
    })
    const headers = {
      Cookie: signedIn.headers
        .getSetCookie()
        .map((cookie) => cookie.split(';', 1)[0])
        .join('; ')
    }
    const load = await answering({ url: `http://127.0.0.1:${port}${page}`, headers, status: 200 })
    return { load, pids: [pid] }
  }
}
