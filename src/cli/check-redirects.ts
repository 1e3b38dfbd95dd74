import { type Asked, askUpstream } from './ask-upstream.ts'
import type { AppFinding } from './swallowed-paths.ts'

const redirects = new Set([301, 302, 303, 307, 308])

/**
 * Whether an app's redirects lead to the public origin. `path`: one with a slash too many, which FastAPI redirects to the
 * path without; the address that it names tells what it takes for the scheme and the host of the request.
 */
export async function checkRedirects(server: Asked, path: string, publicUrl: string): Promise<AppFinding[]> {
  const answer = await askUpstream(server, path, publicUrl).catch(() => undefined)
  const location = URL.parse(answer?.location ?? '')
  if (answer === undefined || !redirects.has(answer.status) || location === null) return []
  if (location.origin === publicUrl) return [{ verdict: 'ok', sentence: 'its redirects lead to the public origin' }]
  const sentence = `its redirects lead to ${location.protocol}//${location.host} instead of ${publicUrl}: its server does not believe the X-Forwarded headers of the gateway, the client's address included. docs/fastapi.md says what to set for each server`
  return [{ verdict: 'warn', sentence }]
}
