import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../test/support/ports.ts'
import { findProgram } from '../os.ts'
import { listensOn, startProgram, temporaryFolder } from '../processes.ts'
import { cookieOf } from '../sessions-made.ts'
import { answering, type Contender, page } from './contender.ts'

/** Oathkeeper that asks BetterAuth about every request. */
export const oathkeeper: Contender = {
  name: 'oathkeeper cookie_session at BetterAuth',
  needs: 'oathkeeper',
  async start(stage) {
    const folder = await temporaryFolder(stage.cleanup)
    const [port, apiPort] = [await freePort(), await freePort()]
    const auth = await stage.authServer()
    const [rules, config] = [join(folder, 'rules.json'), join(folder, 'config.json')]
    await writeFile(
      rules,
      JSON.stringify([
        {
          id: 'all',
          upstream: { url: (await stage.upstream()).url },
          match: { url: `http://127.0.0.1:${port}/<.*>`, methods: ['GET'] },
          authenticators: [{ handler: 'cookie_session' }],
          authorizer: { handler: 'allow' },
          mutators: [{ handler: 'noop' }]
        }
      ])
    )
    await writeFile(
      config,
      JSON.stringify({
        serve: { proxy: { host: '127.0.0.1', port }, api: { host: '127.0.0.1', port: apiPort } },
        access_rules: { repositories: [`file://${rules}`] },
        authenticators: {
          cookie_session: {
            enabled: true,
            config: { check_session_url: `${auth.url}/verify`, preserve_path: true, subject_from: 'subject' }
          }
        },
        authorizers: { allow: { enabled: true } },
        mutators: { noop: { enabled: true } },
        log: { level: 'error' }
      })
    )
    const program = findProgram('oathkeeper') ?? 'oathkeeper'
    const { pid } = await startProgram(stage.cleanup, program, ['serve', '--config', config], {
      env: { SQA_OPT_OUT: 'true' },
      ready: () => listensOn(port)
    })
    const headers = { Cookie: cookieOf(0) }
    const load = await answering({ url: `http://127.0.0.1:${port}${page}`, headers, status: 200 })
    return { load, pids: [pid, auth.pid] }
  }
}
