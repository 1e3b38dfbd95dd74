import type { Method } from '../auth/http-methods.ts'
import type { Requirements } from './rule-requirements.ts'

/** What a request needs: nothing, a session if there is one, a session, or it does not exist. */
export type Access = 'public' | 'optional' | 'session' | 'deny'

/** One rule of the policy file. `path`: literal segments, `:name` for one non-empty segment, and a final `/*`. */
export interface RouteRule extends Requirements {
  readonly path: string
  readonly access: Access
  /** Without: all methods. `GET` implies `HEAD`. */
  readonly methods?: readonly Method[]
  /** The name of one of the policy's upstreams. Without: `UPSTREAM_URL`. */
  readonly upstream?: string
  /**
   * Responses outlast the session that asked for them. WebSockets and event streams do not, and nothing outlasts a user
   * who is banned or deleted. Only where sessions are looked up: with access `session` or `optional`.
   */
  readonly keepOpen?: boolean
  /**
   * `%2F` in a path passes as it is, where it makes no difference to the policy: as a slash and as part of a segment the
   * path meets this rule. Only with a final `/*`, and on no folder.
   */
  readonly encodedSlashes?: boolean
}

/** The rule for every request that no rule of the policy names. */
export const defaultRule: RouteRule = Object.freeze({ path: '/*', access: 'session' })
