import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../test/support/ports.ts'
import { findProgram } from '../os.ts'
import { listensOn, startProgram, temporaryFolder } from '../processes.ts'
import { type Contender, page } from './contender.ts'

/** haproxy, which lets everybody pass. */
export const haproxy: Contender = {
  name: 'haproxy',
  needs: 'haproxy',
  async start(stage) {
    const folder = await temporaryFolder(stage.cleanup)
    const port = await freePort()
    const path = join(folder, 'haproxy.cfg')
    await writeFile(
      path,
      `global
  maxconn 4096
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend public
  bind 127.0.0.1:${port}
  default_backend upstream
backend upstream
  http-reuse always
  server upstream ${new URL((await stage.upstream()).url).host}
`
    )
    const program = findProgram('haproxy') ?? 'haproxy'
    const { pid } = await startProgram(stage.cleanup, program, ['-f', path, '-db'], { ready: () => listensOn(port) })
    return { load: { url: `http://127.0.0.1:${port}${page}`, headers: {}, status: 200 }, pids: [pid] }
  }
}
