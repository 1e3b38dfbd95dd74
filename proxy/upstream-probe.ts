import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { UpstreamAddress } from './upstream.ts'

const limitMs = 2_000

/**
 * Opens one connection to the upstream as a request would, TLS verified, and closes it again. Rejects with the system's
 * or OpenSSL's error, or one with code ETIMEDOUT after two seconds.
 */
export function probeUpstream(address: UpstreamAddress): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const { secure } = address
  const socket = secure ? openTls(address) : open(address)
  const limit = setTimeout(() => socket.destroy(timedOut()), limitMs)
  socket.once('error', reject)
  socket.once('close', () => clearTimeout(limit))
  socket.once(secure ? 'secureConnect' : 'connect', () => {
    resolve()
    socket.destroy()
  })
  return promise
}

function open({ socketPath, hostname: host, port }: UpstreamAddress): Socket {
  return connect(socketPath === undefined ? { host, port } : { path: socketPath })
}

function openTls({ hostname: host, port, secureContext }: UpstreamAddress): Socket {
  const servername = isIP(host) === 0 ? host : ''
  return connectTls({ host, port, servername, ...(secureContext === undefined ? {} : { secureContext }) })
}

function timedOut(): Error {
  return Object.assign(new Error('the upstream did not answer in time'), { code: 'ETIMEDOUT' })
}
