import { PassThrough } from 'node:stream'
import { parse } from 'bowser'
import type { FastifyInstance } from 'fastify'
import type { ListedSession } from '../../db/session-queries.ts'
import type { LiveConnection, LiveConnections } from '../live-connections.ts'
import type { SessionReference } from '../live-sessions.ts'
import { Refusal, rateLimited } from '../refusals.ts'
import { subjectOf } from '../session-validation.ts'
import { fromStore, type PageContext, whoIsAsking } from './page-context.ts'

/** A browser or program in which the user is signed in: one session, told so that a person recognises it. */
export interface Device {
  /** The session's id. It lets nobody in: that is the token, which no page ever holds. */
  readonly id: string
  readonly token: string
  /** For instance "Firefox on Linux". */
  readonly label: string
  readonly address: string | undefined
  readonly signedInAt: Date
  /** When the session was last prolonged, which happens once in a while as long as it is used. */
  readonly lastUseAt: Date
  readonly expiresAt: Date
}

/** How many devices a page shows. */
export const devicesAPage = 20

/** The device of a session. */
export function deviceOf({ id, token, userAgent, ipAddress, createdAt, updatedAt, expiresAt }: ListedSession): Device {
  return {
    id,
    token,
    label: deviceLabel(userAgent ?? ''),
    address: shortAddress(ipAddress ?? ''),
    signedInAt: createdAt,
    lastUseAt: updatedAt,
    expiresAt
  }
}

// IPv6 addresses are kept in full length, and by their network: the rest of them is zeros.
function shortAddress(address: string): string | undefined {
  if (address === '') return undefined
  const url = `http://[${address}]`
  return address.includes(':') && URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : address
}

/** A session, as live connections are tied to it. */
export function referenceOf({ token, expiresAt }: ListedSession, userId: string): SessionReference {
  return { token, userId, session: subjectOf(token), user: subjectOf(userId), expiresAt: expiresAt.getTime() }
}

const unknownDevice = 'Unknown device'
const longestAgent = 400

/** A browser and its system out of a `User-Agent`, or what comes nearest to it. */
export function deviceLabel(userAgent: string): string {
  const agent = userAgent.slice(0, longestAgent)
  if (agent.trim() === '') return unknownDevice
  const { browser, os, platform } = parse(agent)
  const where = platform.model ?? os.name
  if (browser.name) return where ? `${browser.name} on ${where}` : browser.name
  // What is no browser mostly begins with its own name: "curl/8.5.0".
  const program = /^[A-Za-z][\w.-]{1,30}(?=\/|$)/.exec(agent)?.[0]
  return program ?? where ?? unknownDevice
}

// Proxies close what says nothing for a minute.
const heartbeatMs = 25_000
/** The address of the stream about these devices, which are those that a page shows. */
export function deviceEventsAddress(ids: readonly string[]): string {
  return `/auth/account/devices?${new URLSearchParams(ids.map((id): [string, string] => ['of', id]))}`
}

/**
 * `/auth/account/devices?of=…`: an event stream that says which of these devices are left whenever one of them is signed
 * out, and `ended` when that is the one that is looking. It tells ids and nothing else.
 */
export function deviceEvents(app: FastifyInstance, context: PageContext, openStreams: LiveConnections): void {
  app.get('/auth/account/devices', async function streamDevices(request, reply) {
    const identity = await whoIsAsking(context, request, reply)
    // EventSource tries again and again after every other answer.
    if (identity === null) return reply.code(204).send()
    const { userId, sessionId } = identity
    // Each costs memory and a place in the sweep, so that no more are followed than a page shows.
    const { of = [] } = request.query as { of?: string | string[] } // Fastify's parser makes a list of several
    const shown = [of].flat().slice(0, devicesAPage)
    const devices = await fromStore(() => context.sessionList.some(userId, [sessionId, ...shown]))
    if (!devices.some(({ id }) => id === sessionId)) throw new Refusal('NOT_FOUND')

    const stream = new PassThrough()
    const left = new Set(devices.map(({ id }) => id))
    const tell = () => stream.write(`event: devices\ndata: ${JSON.stringify([...left])}\n\n`)
    const finish = () => {
      openStreams.delete(open)
      clearInterval(heartbeat)
      for (const untie of ties) untie()
      stream.end()
    }
    const open: LiveConnection = { kind: 'page', end: finish }
    if (openStreams.admit(open, { name: sessionId, isSession: true }) !== 'admitted') throw rateLimited(60)
    const heartbeat = setInterval(() => stream.write(': \n\n'), heartbeatMs)
    heartbeat.unref()
    const ties = devices.map((device) =>
      context.live.tie(referenceOf(device, userId), () => {
        left.delete(device.id)
        if (device.id !== sessionId) tell()
        else {
          stream.write('event: ended\ndata: \n\n')
          finish()
        }
      })
    )
    stream.on('close', finish)
    tell()
    return reply.type('text/event-stream').header('x-accel-buffering', 'no').send(stream)
  })
}
