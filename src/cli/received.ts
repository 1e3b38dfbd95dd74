import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Identity } from '../../auth/identity.ts'
import { upstreamFacts, upstreamHeaders } from '../../proxy/request-headers.ts'
import type { RouteRule } from '../../proxy/route-policy.ts'
import type { Settings } from '../settings.ts'

/** Whose request it is: nobody's, somebody's whom the command knows, or somebody's whom it does not. */
export type Asker = Identity | 'stranger' | 'somebody'

// Stands where the command knows only that there is a user.
const someone: Identity = {
  userId: 'x',
  email: 'x',
  emailVerified: false,
  sessionId: 'x',
  name: 'x',
  signedInAt: 0,
  role: 'x',
  roles: [],
  impersonatedBy: 'x'
}

/** The headers that the gateway itself adds for the server behind a rule, in words, a line each. Secrets are named and not shown. */
export function receivedLines({ config, policy }: Settings, rule: RouteRule, asker: Asker): string[] {
  const spec = rule.upstream === undefined ? undefined : policy.upstreams[rule.upstream]
  if (typeof spec === 'object' && 'directory' in spec) return ['sends   nothing: the gateway reads the file itself']
  const token = spec === undefined ? config.upstream.token : typeof spec === 'string' ? undefined : spec.token
  const publicUrl = config.publicUrl ?? `http://localhost:${config.port}`
  const headers = upstreamHeaders(
    new IncomingMessage(new Socket()),
    upstreamFacts(publicUrl, token === undefined ? undefined : '(not shown)', policy.principalHeaders),
    {
      identity: asker === 'stranger' ? null : asker === 'somebody' ? someone : asker,
      requestId: '(one of its own)',
      clientAddress: "(the client's address)"
    }
  )
  const lines: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const own = asker === 'somebody' && /^X-(User|Session)-/.test(name)
    lines.push(`sends   ${name}: ${own ? '(of whoever is signed in)' : headers[at + 1]}`)
  }
  return lines
}
