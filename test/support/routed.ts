import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { startTestGateway, type TestGateway } from './gateway.ts'
import { noDatabase } from './processes.ts'
import { startUvicorn } from './uvicorn.ts'
import { askRaw, type WireAnswer } from './wire.ts'

/** What FastAPI made of a request that reached it. */
export interface Routed {
  route: string
  path: string
  method: string
  url: string
  query: string
  parameters: Record<string, string>
}

export interface RoutedGateway {
  readonly gateway: TestGateway
  readonly host: string
  /** Sends a request without a session, byte for byte. `routed` is undefined when FastAPI served no route for it. */
  ask(
    requestLine: string,
    headers?: readonly string[],
    body?: string
  ): Promise<{ answer: WireAnswer; status: number; code: string | undefined; routed: Routed | undefined }>
}

/**
 * A gateway before a real FastAPI that tells the route it chose. Without a session only `/public/*`, `/users/:name`
 * and `/items` may be reached; `/closed` is denied.
 */
export async function startRoutedGateway(t: Test, env: Record<string, string> = {}): Promise<RoutedGateway> {
  const dir = fileURLToPath(new URL('apps', import.meta.url))
  const uvicorn = await startUvicorn(t, { dir, app: 'routed:app' })
  const gateway = await startTestGateway(t, {
    upstreamUrl: uvicorn.url,
    env: { ...noDatabase, ...env },
    policy: {
      routes: [
        { path: '/public/*', access: 'public' },
        { path: '/users/:name', access: 'public' },
        { path: '/items', access: 'public' },
        { path: '/closed', access: 'deny' }
      ]
    }
  })
  const { host } = new URL(gateway.publicUrl)
  return {
    gateway,
    host,
    async ask(requestLine, headers = [`Host: ${host}`], body = '') {
      const answer = await askRaw(gateway.port, requestLine, headers, body)
      const text = Buffer.from(answer.body, 'latin1').toString()
      const said = text.startsWith('{') ? (JSON.parse(text) as { code?: string } & Partial<Routed>) : {}
      const routed = said.route === undefined ? undefined : (said as Routed)
      return { answer, status: answer.status, code: said.code, routed }
    }
  }
}
