import type { Logger } from 'pino'
import { probeUpstream, upstreamAddress } from '../proxy/upstream/connector.ts'
import {
  type FolderUpstream,
  openServer,
  type ServerUpstream,
  type Upstreams
} from '../proxy/upstream/upstream-kinds.ts'
import type { Settings } from './config/load-settings.ts'
import { isFolder, type ServerSpec, type UpstreamSpec } from './config/policy-upstreams.ts'

type Described = Pick<Settings, 'config' | 'policy'>

/**
 * FastAPI and what the policy file names, every server with connections of its own, so that one that hangs keeps nobody
 * from the others. Throws when a certificate file cannot be read.
 */
export function openUpstreams({ config, policy }: Described): Upstreams & { close(): Promise<void> } {
  const { upstream, upstreamTimeoutMs, upstreamConnections: most } = config
  const defaultServer = openServer({ ...upstream, timeoutMs: upstreamTimeoutMs, most })
  const open = (spec: UpstreamSpec): ServerUpstream | FolderUpstream => {
    if (isFolder(spec)) return { kind: 'folder', directory: spec.directory }
    const { url, caFile, token, timeout } = serverOf(spec)
    const timeoutMs = timeout === undefined ? upstreamTimeoutMs : Math.ceil(timeout * 1000)
    return openServer({ url, caFile, token, timeoutMs, most })
  }
  const named = new Map(Object.entries(policy.upstreams).map(([name, spec]) => [name, open(spec)]))
  return {
    default: defaultServer,
    named,
    async close() {
      const servers = [defaultServer, ...named.values()].filter((upstream) => upstream.kind === 'server')
      await Promise.all(servers.map(({ connections }) => connections.destroy()))
    }
  }
}

/** Tries to connect to each server; with the place in the configuration that names it. */
export function probeServers({ config, policy }: Described): [place: string, probe: Promise<void>][] {
  const named = Object.entries(policy.upstreams).flatMap(([name, spec]) =>
    isFolder(spec) ? [] : [{ place: `upstreams.${name}`, ...serverOf(spec) }]
  )
  return [{ place: 'UPSTREAM_URL', ...config.upstream }, ...named].map(({ place, url, caFile }) => [
    place,
    probeUpstream(upstreamAddress({ url, caFile }))
  ])
}

/** Logs which servers do not answer. For a gateway that serves already: FastAPI may be starting beside it. */
export function logSilentServers(settings: Described, log: Pick<Logger, 'warn'>): void {
  for (const [setting, probe] of probeServers(settings)) {
    probe.catch((err: unknown) => {
      log.warn({ err }, `nothing answers where ${setting} says: requests get 502 until it does`)
    })
  }
}

function serverOf(spec: string | ServerSpec): ServerSpec {
  return typeof spec === 'string' ? { url: spec } : spec
}
