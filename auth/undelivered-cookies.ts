import type { ServerResponse } from 'node:http'

/**
 * Calls `lost` where a response that is to carry the cookies of a refreshed session never begins, because its client has
 * left before, or leaves before its head is written.
 */
export function onceLost(response: ServerResponse, lost: () => void): void {
  if (response.destroyed) {
    lost()
    return
  }
  response.once('close', () => {
    if (!response.headersSent) lost()
  })
}
