// What `import … from '@gatehouse/gateway'` gives: all that a policy file needs.
import type { PolicyInput } from './policy-file.ts'

export { mailed } from '../auth/mail/mail-senders.ts'
export type { GeneratedIds } from '../auth/policy-auth-options.ts'
export type { UpstreamSpec } from './config/policy-upstreams.ts'
export { defineConfig, type PolicyConfig, type PolicyInput } from './policy-file.ts'

/** One rule of a policy file, for rules in files of their own. `Upstream`: the names of the upstreams that it may name. */
export type RouteRule<Upstream extends string = never> = NonNullable<PolicyInput<Upstream>['routes']>[number]
