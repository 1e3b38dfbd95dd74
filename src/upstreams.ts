import { probeUpstream, upstreamAddress } from '../proxy/upstream/connector.ts'
import { type FolderUpstream, openServer, type ServerUpstream, type Upstreams } from '../proxy/upstream/upstream.ts'
import type { Settings } from './config/settings.ts'
import { placeOf, type ServerSpec } from './config/upstream-spec.ts'

type Described = Pick<Settings, 'config' | 'policy'>

interface NamedServer extends ServerSpec {
  readonly name: string
}

function namedServers({ policy }: Described): NamedServer[] {
  return Object.entries(policy.upstreams).flatMap(([name, spec]): NamedServer[] => {
    if (typeof spec === 'string') return [{ name, url: spec }]
    return 'directory' in spec ? [] : [{ name, ...spec }]
  })
}

/**
 * FastAPI and what the policy file names, every server with connections of its own, so that one that hangs keeps nobody
 * from the others. Throws when a certificate file cannot be read.
 */
export function openUpstreams(settings: Described): Upstreams & { close(): Promise<void> } {
  const { upstream, upstreamTimeoutMs, upstreamConnections: most } = settings.config
  const defaultServer = openServer({ ...upstream, timeoutMs: upstreamTimeoutMs, most })
  const servers = namedServers(settings).map(({ name, timeout, url, caFile, token }): [string, ServerUpstream] => {
    const timeoutMs = timeout === undefined ? upstreamTimeoutMs : Math.ceil(timeout * 1000)
    return [name, openServer({ url, caFile, token, timeoutMs, most })]
  })
  const folders = Object.entries(settings.policy.upstreams).flatMap(([name, spec]): [string, FolderUpstream][] =>
    typeof spec === 'object' && 'directory' in spec ? [[name, { kind: 'folder', directory: spec.directory }]] : []
  )
  return {
    default: defaultServer,
    named: new Map<string, ServerUpstream | FolderUpstream>([...servers, ...folders]),
    async close() {
      await Promise.all(
        [defaultServer, ...servers.map(([, server]) => server)].map(({ connections }) => connections.destroy())
      )
    }
  }
}

/** Tries to connect to each server; with the place in the configuration that names it. */
export function probeServers(settings: Described): [place: string, probe: Promise<void>][] {
  const named = namedServers(settings).map(({ name, url, caFile }) => ({ place: placeOf(name), url, caFile }))
  return [{ place: 'UPSTREAM_URL', ...settings.config.upstream }, ...named].map(({ place, url, caFile }) => [
    place,
    probeUpstream(upstreamAddress({ url, caFile }))
  ])
}
