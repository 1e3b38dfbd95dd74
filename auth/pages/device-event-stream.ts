import { PassThrough } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { LiveConnection, LiveConnections } from '../live-connection-limits.ts'
import { Refusal, rateLimited } from '../refusals.ts'
import { subjectOf } from '../session-verdict.ts'
import type { PageAddresses } from './page-addresses.ts'
import { fromStore, identify, type PageContext } from './page-helpers.ts'

/** How many devices one page of the account shows. */
export const devicesPerPage = 20

/** The address of the event stream about these devices. */
export function deviceEventsAddress({ account }: PageAddresses, ids: readonly string[]): string {
  return `${account}/devices?${new URLSearchParams(ids.map((id): [string, string] => ['of', id]))}`
}

// Proxies in front close a connection that has been silent for a minute.
const heartbeatMs = 25_000

/**
 * `devices?of=…` below the account page: an event stream for the account page. `devices` lists which of these devices are still
 * signed in, first at once and then whenever one of them is signed out; `ended` says that it was the device that listens.
 * The stream tells session ids and nothing else.
 */
export function deviceEventStream(app: FastifyInstance, context: PageContext, connections: LiveConnections): void {
  app.get(`${context.addresses.account}/devices`, async function streamDevices(request, reply) {
    const identity = await identify(context, request, reply)
    // 204 ends an EventSource; after every other answer it would connect again and again.
    if (identity === null) return reply.code(204).send()
    const { userId, sessionId } = identity
    const { of = [] } = request.query as { of?: string | string[] } // Fastify's parser makes a list of several
    // Every session that is followed costs memory and a query from time to time, so there are no more than a page shows.
    const wanted = [sessionId, ...[of].flat().slice(0, devicesPerPage)]
    const sessions = await fromStore(() => context.sessionList.some(userId, wanted))
    if (!sessions.some(({ id }) => id === sessionId)) throw new Refusal('NOT_FOUND')

    const stream = new PassThrough()
    const signedIn = new Set(sessions.map(({ id }) => id))
    const sendDevices = () => stream.write(`event: devices\ndata: ${JSON.stringify([...signedIn])}\n\n`)
    const finish = () => {
      connections.delete(connection)
      clearInterval(heartbeat)
      for (const untie of ties) untie()
      stream.end()
    }
    const connection: LiveConnection = { kind: 'page', end: finish }
    if (connections.admit(connection, { name: sessionId, isSession: true }) !== 'admitted') throw rateLimited(60)
    const heartbeat = setInterval(() => stream.write(': \n\n'), heartbeatMs)
    heartbeat.unref()
    const user = subjectOf(userId)
    const ties = sessions.map(({ id, token, expiresAt }) =>
      // It may end before it expires: what is tied is read at once, and then has the true end.
      context.live.tie({ token, userId, session: subjectOf(token), user, endsAt: expiresAt.getTime() }, () => {
        signedIn.delete(id)
        if (id !== sessionId) return void sendDevices()
        stream.write('event: ended\ndata: \n\n')
        finish()
      })
    )
    stream.on('close', finish)
    sendDevices()
    return reply.type('text/event-stream').header('x-accel-buffering', 'no').send(stream)
  })
}
