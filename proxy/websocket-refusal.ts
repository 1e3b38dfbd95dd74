import type { IncomingMessage, ServerResponse } from 'node:http'
import { clientHead, type ResponseMarks, withoutTrailer } from './response-headers.ts'

/** Is told of an event stream, and how to end it; answers what to call when it is over. */
export type OnStream = (end: () => void) => () => void

/**
 * Whether the upstream's answer to a handshake can be passed on as what it is. Node reads any three digits as a status,
 * and throws where it is to write a small one.
 */
export function isQuotable({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200
}

/**
 * Passes on what the upstream said instead of taking the handshake: a refusal or, from a server that knows no
 * WebSockets, what it would have said to any other request, an endless stream perhaps.
 */
export function quote(
  answer: IncomingMessage,
  response: ServerResponse,
  marks: ResponseMarks,
  onStream: OnStream | undefined
): void {
  const head = clientHead(answer.rawHeaders, marks)
  response.writeHead(answer.statusCode ?? 502, withoutTrailer(head))
  answer.pipe(response)
  answer.on('error', () => {
    if (!response.writableEnded) response.socket?.destroy()
  })
  if (onStream === undefined || !head.isEventStream) return
  const untie = onStream(() => {
    answer.unpipe(response).destroy()
    response.end()
  })
  response.once('close', untie)
}
