import { PassThrough } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { PageNotFoundError, RateLimitedError } from '../errors.ts'
import type { LiveConnection, LiveConnections } from '../live-connections.ts'
import { fromStore, type PageContext, whoIsAsking } from './context.ts'
import { devicesAPage, referenceOf } from './devices.ts'

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
    if (!devices.some(({ id }) => id === sessionId)) throw new PageNotFoundError()

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
    if (openStreams.admit(open, { name: sessionId, isSession: true }) !== 'admitted') throw new RateLimitedError(60)
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
