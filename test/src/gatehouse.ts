import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'

const cli = resolve(import.meta.dirname, '../../src/gatehouse.js')

export interface Ended {
  status: number | null
  stdout: string
  stderr: string
}

/**
 * Runs one `gatehouse` command to its end, in a directory and with nothing in its environment but what is given.
 * `entry`: the file that is run, of this tree unless another is named.
 */
export async function gatehouse(
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
  entry = cli
): Promise<Ended> {
  const child = spawn(process.execPath, [entry, ...args], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 180_000
  })
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status, stdout, stderr }
}

export interface Started {
  publicUrl: string
  adminUrl: string
  /** Interrupts the gateway and resolves to its exit status. */
  stop(): Promise<number | null>
}

/** Starts a gateway on free ports and waits until it says that it is ready. Rejects with its stderr when it ends before. */
export async function startGatehouse(cwd: string, env: Record<string, string> = {}, entry = cli): Promise<Started> {
  const child = spawn(process.execPath, [entry, 'start'], {
    cwd,
    env: { PORT: '0', ADMIN_PORT: '0', DRAIN_DELAY: '0', DRAIN_TIMEOUT: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const ended = once(child, 'close')
  const stderr = text(child.stderr)
  let output = ''
  for await (const chunk of child.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    output += chunk
    const line = output.split('\n').find((candidate) => candidate.includes('"msg":"gatehouse ready"'))
    if (line === undefined) continue
    child.stdout.resume()
    const { publicUrl, adminUrl }: { publicUrl: string; adminUrl: string } = JSON.parse(line)
    return {
      publicUrl,
      adminUrl,
      async stop() {
        child.kill('SIGINT')
        const [status] = await ended
        return status
      }
    }
  }
  throw new Error(`the gateway ended: ${await stderr}`)
}

/** A server that accepts connections and says nothing sensible, closed with the test; resolves to its port on 127.0.0.1. */
export async function listening(t: Test): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => {}).end('no\n')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port')
  return address.port
}
