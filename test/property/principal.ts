/** A request as uvicorn handed it to the app. */
export interface Seen {
  readonly type: 'http' | 'websocket'
  /** Path, `?`, query. */
  readonly target: string
  /** Latin-1, names as they arrived. */
  readonly headers: readonly (readonly [name: string, value: string])[]
}

/** What the gateway says about a request. */
export interface Told {
  /** Null for the anonymous and on public routes. */
  readonly user: { readonly id: string; readonly email: string; readonly verified: boolean } | null
  readonly clientAddress: string
  /** `host:port` of the public origin. */
  readonly host: string
}

/** A header's name as the most careless server would read it: case, and every odd character, folded. */
export function folded(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')
}

const reserved = /^(?:x-(?:user|session|gatehouse|forwarded)-|forwarded$|x-real-ip$|x-request-id$|host$)/

/** What is wrong with the headers that only the gateway may say; empty where each is there once, and true. */
export function falsehoods(seen: Seen, { user, clientAddress, host }: Told): string[] {
  const expected = new Map<string, string | RegExp>([
    ['host', host],
    ['x-request-id', /^[0-9a-f-]{36}$/],
    ['x-forwarded-for', clientAddress],
    ['x-forwarded-proto', 'http'],
    ['x-forwarded-host', host]
  ])
  if (user !== null) {
    expected.set('x-user-id', user.id)
    expected.set('x-user-email', user.email)
    expected.set('x-user-email-verified', String(user.verified))
  }
  const problems: string[] = []
  for (const [name, value] of seen.headers) {
    if (!reserved.test(folded(name))) continue
    const right = expected.get(name.toLowerCase())
    if (right === undefined || !(typeof right === 'string' ? right === value : right.test(value))) {
      problems.push(`${JSON.stringify(name)}: ${JSON.stringify(value)}`)
    }
    // Once said, a second time is one too many.
    expected.delete(name.toLowerCase())
  }
  for (const name of expected.keys()) problems.push(`${name} is missing`)
  return problems
}
