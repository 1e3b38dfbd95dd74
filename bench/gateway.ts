import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Cleanup } from './cleanup.ts'
import { type Started, startProgram, temporaryFolder } from './processes.ts'
import { secret } from './sessions-made.ts'

const entry = fileURLToPath(new URL('../src/gatehouse.js', import.meta.url))
// Always the same one, so that it comes from the compile cache from its second time on.
const policy = fileURLToPath(new URL('programs/policy.ts', import.meta.url))
const ready = /^\{.*"msg":"gatehouse ready".*\}$/m

/** A gateway as a process of its own. */
export interface BenchGateway extends Started {
  /** Its public address, by number. */
  readonly url: string
}

/**
 * `npm start` without npm: a gateway with its defaults and what `env` says, `/public/*` open. Throws with what it
 * printed when it does not start.
 */
export async function startGateway(cleanup: Cleanup, env: Record<string, string>): Promise<BenchGateway> {
  const folder = await temporaryFolder(cleanup)
  const started = await startProgram(cleanup, process.execPath, ['--max-semi-space-size=16', entry, 'start'], {
    env: {
      PORT: '0',
      ADMIN_PORT: '0',
      DATA_DIR: join(folder, 'data'),
      GATEHOUSE_CONFIG: policy,
      BETTER_AUTH_SECRET: secret,
      DRAIN_DELAY: '0',
      DRAIN_TIMEOUT: '0',
      ...env
    },
    ready: (output) => ready.test(output)
  })
  const { publicUrl }: { publicUrl: string } = JSON.parse(ready.exec(started.output())?.[0] ?? '{}')
  return { ...started, url: `http://127.0.0.1:${new URL(publicUrl).port}` }
}
