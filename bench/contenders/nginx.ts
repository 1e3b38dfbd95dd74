import { writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../test/support/ports.ts'
import { findProgram } from '../os.ts'
import { listensOn, startProgram, temporaryFolder } from '../processes.ts'
import { cookieOf } from '../sessions-made.ts'
import type { Stage } from '../stage.ts'
import { type Contender, page, type Running } from './contender.ts'

/** nginx, which lets everybody pass. */
export const nginx: Contender = {
  name: 'nginx proxy_pass',
  needs: 'nginx',
  start: async (stage) => start(stage, { locations: 'location / { proxy_pass http://upstream; }', pids: [] })
}

/** nginx that asks BetterAuth about every request. */
export const nginxAuthRequest: Contender = {
  name: 'nginx auth_request to BetterAuth',
  needs: 'nginx',
  start: async (stage) => startAsking(stage, '')
}

/** The same with the answers kept for ten seconds by cookie. A session that ended meanwhile still passes. */
export const nginxAuthRequestCached: Contender = {
  name: 'nginx auth_request, answers cached',
  needs: 'nginx',
  start: async (stage) =>
    startAsking(stage, 'proxy_cache auth; proxy_cache_key $http_cookie; proxy_cache_valid 200 10s;')
}

async function startAsking(stage: Stage, caching: string): Promise<Running> {
  const { pid, port } = await stage.authServer()
  const locations = `
    location / {
      auth_request /_verify;
      auth_request_set $user_id $upstream_http_x_user_id;
      proxy_set_header X-User-Id $user_id;
      proxy_set_header Connection "";
      proxy_pass http://upstream;
    }
    location = /_verify {
      internal;
      proxy_pass http://auth/verify;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header Connection "";
      ${caching}
    }`
  const upstreams = `upstream auth { server 127.0.0.1:${port}; keepalive 256; keepalive_requests 100000000; }`
  const headers = { Cookie: cookieOf(0) }
  return start(stage, { locations, upstreams, headers, pids: [pid] })
}

async function start(
  stage: Stage,
  set: { locations: string; upstreams?: string; headers?: Record<string, string>; pids: readonly number[] }
): Promise<Running> {
  const folder = await temporaryFolder(stage.cleanup)
  const port = await freePort()
  const path = join(folder, 'nginx.conf')
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  await writeFile(
    path,
    `
${userInfo().uid === 0 ? `user ${userInfo().username};` : ''}
daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  ${kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
  proxy_cache_path ${folder}/cache keys_zone=auth:1m;
  keepalive_requests 100000000;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  upstream upstream { server ${new URL((await stage.upstream()).url).host}; keepalive 256; keepalive_requests 100000000; }
  ${set.upstreams ?? ''}
  server { listen 127.0.0.1:${port}; ${set.locations} }
}
`
  )
  const program = findProgram('nginx') ?? 'nginx'
  const args = ['-p', folder, '-c', path, '-e', `${folder}/error.log`]
  const { pid } = await startProgram(stage.cleanup, program, args, { ready: () => listensOn(port) })
  return {
    load: { url: `http://127.0.0.1:${port}${page}`, headers: set.headers ?? {}, status: 200 },
    pids: [pid, ...set.pids]
  }
}
