import type { Test } from 'tap'
import { type RunningServer, startServer } from '../support/servers.ts'

const dir = `${import.meta.dirname}/app`

/** A server with a framework in it. */
export interface Pairing {
  readonly module: string
  readonly args: (port: number) => readonly string[]
  /** Whether the app takes WebSockets there. */
  readonly webSockets: boolean
}

const at = (port: number) => `127.0.0.1:${port}`
const onPort = (port: number) => ['--host', '127.0.0.1', '--port', String(port)]
const gunicorn = (app: string): Pairing => ({
  module: 'gunicorn',
  args: (port) => ['--bind', at(port), '--worker-class', 'gthread', '--threads', '8', '--keep-alive', '60', app],
  webSockets: false
})
const daphne = (app: string, webSockets: boolean): Pairing => ({
  module: 'daphne',
  args: (port) => ['--bind', '127.0.0.1', '--port', String(port), '--proxy-headers', app],
  webSockets
})
const granian = (kind: string, app: string, webSockets: boolean): Pairing => ({
  module: 'granian',
  args: (port) => ['--interface', kind, ...onPort(port), '--no-access-log', app],
  webSockets
})
export const uvicorn: Pairing = {
  module: 'uvicorn',
  args: (port) => [
    ...onPort(port),
    '--no-access-log',
    '--lifespan',
    'off',
    '--forwarded-allow-ips',
    '127.0.0.1',
    'routed:app'
  ],
  webSockets: true
}
/** The servers and frameworks that the gateway is held against, each as trusting as its own settings can make it. */
export const pairings: Readonly<Record<string, Pairing>> = {
  'gunicorn with Flask': gunicorn('with_flask:app'),
  'gunicorn with Django': gunicorn('with_django:wsgi'),
  'waitress with Flask': {
    module: 'waitress',
    args: (port) => [
      ...['--listen', at(port), '--threads', '8', '--trusted-proxy', '127.0.0.1', '--trusted-proxy-count', '1'],
      ...['--trusted-proxy-headers', 'x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port'],
      'with_flask:app'
    ],
    webSockets: false
  },
  'daphne with Django': daphne('with_django:asgi', false),
  'daphne with FastAPI': daphne('routed:app', true),
  // Its own WSGI answers no HEAD and nothing without a body, so that Flask cannot be asked there.
  'hypercorn with FastAPI': {
    module: 'hypercorn',
    args: (port) => ['--bind', at(port), '--keep-alive', '60', 'with_proxy_fixes:in_hypercorn'],
    webSockets: true
  },
  'granian with FastAPI': granian('asgi', 'with_proxy_fixes:in_granian', true),
  'granian with Flask': granian('wsgi', 'with_proxy_fixes:flask_in_granian', false),
  'uvicorn with Flask by a2wsgi': {
    module: 'uvicorn',
    args: (port) => [...onPort(port), '--no-access-log', '--lifespan', 'off', 'with_proxy_fixes:flask_in_asgi'],
    webSockets: false
  }
}

/** Starts one of them. `POST /__rules` with this control key tells its app the rules. */
export function startPairing(t: Test, { module, args }: Pairing, controlKey: string): Promise<RunningServer> {
  return startServer(t, { module, args, dir, env: { CONTROL_KEY: controlKey } })
}
