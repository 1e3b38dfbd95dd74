/** Why the gateway ends a connection that lasts. */
export type EndReason = 'session ended' | 'going away'

/** How a connection that lasted came to its end, for the one line that the log has about it. */
export type Outcome = 'finished' | 'client left' | 'upstream broke off' | 'timed out' | EndReason

/** A connection that lasts: a WebSocket, an event stream, a body that takes its time. */
export interface LiveConnection {
  readonly kind: 'websocket' | 'event-stream' | 'response'
  /** Ends it in the way of its kind, within about a second. May be called at any time and more than once; never throws. */
  end(reason: EndReason): void
}
