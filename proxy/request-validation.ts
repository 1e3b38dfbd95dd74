import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { onRequestHookHandler } from 'fastify'
import { methods } from '../auth/http-methods.ts'
import { canonicalTarget } from './canonical-path.ts'
import {
  HostInvalidError,
  HostUnknownError,
  MethodNotAllowedError,
  PathAmbiguousError,
  RequestMalformedError
} from './errors.ts'
import { isUpgrade } from './websocket-upgrade.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The one route that is answered whatever the `Host`: the platform's health check. */
    anyHost?: boolean
  }
}

export interface AdmissionOptions {
  /** The public origin. */
  readonly publicUrl: string
  /** Further `Host` values that are answered. */
  readonly allowedHosts: readonly string[]
}

/** What the router is given for a target that is refused: no canonical one has an empty segment. */
export const refusedTarget = '//'

/** Fastify's `rewriteUrl`: the router sees the canonical target, `request.originalUrl` keeps the client's bytes. */
export function rewriteUrl(request: IncomingMessage): string {
  return canonicalTarget(request.url ?? '') ?? refusedTarget
}

/** The first hook of every request: one reading of its path, a method that is served, a host that is ours. */
export function createAdmission(options: AdmissionOptions): onRequestHookHandler {
  const served: ReadonlySet<string> = new Set(methods)
  const hosts = createHostCheck(options)

  return function admitRequest(request, reply, done) {
    const { raw } = request
    // Node drops what came together with a request whose `Upgrade` it ignores: the next one may begin anywhere.
    if (raw.headers.upgrade !== undefined && !isUpgrade(raw)) reply.raw.shouldKeepAlive = false
    // Node's parser takes HTTP/0.9 and HTTP/2.0 on the request line for what they are not.
    if (raw.httpVersionMajor !== 1) return done(new RequestMalformedError())
    if (raw.url === refusedTarget) return done(new PathAmbiguousError())
    if (isUpgrade(raw) && hasParameters(request.originalUrl)) return done(new PathAmbiguousError())
    if (!served.has(request.method)) return done(new MethodNotAllowedError())
    const host = raw.headers.host
    if (host !== undefined && hosts.known.has(host) && onlyOneHost(raw)) return done()
    if (request.routeOptions.config.anyHost === true) return done()
    if (host === undefined || !onlyOneHost(raw) || !isHost(host)) return done(new HostInvalidError())
    done(hosts.known.has(hosts.normalise(host)) ? undefined : new HostUnknownError())
  }
}

// daphne takes what follows a `;` in the last segment off a WebSocket's path, and off no other (`docs/upstream-notes.md`).
function hasParameters(target: string): boolean {
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  return path.includes(';', path.lastIndexOf('/'))
}

function onlyOneHost({ rawHeaders }: IncomingMessage): boolean {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    if (name?.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count === 1
}

const loopback = ['localhost', '127.0.0.1', '[::1]']

function createHostCheck({ publicUrl, allowedHosts }: AdmissionOptions) {
  const url = new URL(publicUrl)
  const defaultPort = url.protocol === 'https:' ? ':443' : ':80'
  const normalise = (host: string) => {
    const lower = host.toLowerCase()
    return lower.endsWith(defaultPort) ? lower.slice(0, -defaultPort.length) : lower
  }
  const known = new Set([url.host, ...allowedHosts].map(normalise))
  if (loopback.includes(url.hostname)) {
    for (const name of loopback) known.add(url.port === '' ? name : `${name}:${url.port}`)
  }
  return { known, normalise }
}

// RFC 9110, section 7.2: a name or an address, and perhaps a port; no path, no user, no list (CVE-2026-48710).
function isHost(host: string): boolean {
  return /^(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9.])?)(?::\d{1,5})?$/i.test(host)
}

/** Requests of one connection that may wait for the one before them. Browsers and proxies send none. */
export const waitingAtMost = 100

/**
 * The hook that has pipelined requests worked on one after the other, in the order in which they are answered: all at
 * once, a single connection could have the upstream work on thousands. Each that waits is held in memory, and behind an
 * answer that never ends there would be no end to them: the connection is cut at the first that is one too many.
 */
export function createAwaitTurn(): onRequestHookHandler {
  const waiting = new WeakMap<Socket, number>()

  return function awaitTurn({ raw: { socket } }, reply, done) {
    if (reply.raw.socket !== null) return done()
    const before = waiting.get(socket) ?? 0
    waiting.set(socket, before + 1)
    if (before >= waitingAtMost) {
      socket.destroy()
      return
    }
    reply.raw.once('socket', () => {
      waiting.set(socket, (waiting.get(socket) ?? 1) - 1)
      done()
    })
  }
}
