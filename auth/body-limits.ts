/** Bytes that the body of a request to a path below `/api/auth` may have: `/api/auth/stripe/webhook`, or all below one by a final `/*`. */
export type BodyLimitsByPath = Readonly<Record<string, number>>

/** What the body of a request to BetterAuth or to the built-in pages may have by default: 64 KiB. */
export const defaultAuthBodyBytes = 65_536

const most = 104_857_600
const samlAnswerBytes = 262_144
// Where the sso plugin takes what an identity provider says about somebody: XML with signatures, certificates and groups in it.
const samlAnswers = ['/api/auth/sso/saml2/callback/*', '/api/auth/sso/saml2/sp/acs/*']

/** Everything that `bodies` of the policy file must not say, one sentence each; none when it is a {@link BodyLimitsByPath}. */
export function bodyLimitProblems(bodies: unknown): string[] {
  if (typeof bodies !== 'object' || bodies === null || Array.isArray(bodies))
    return ['bodies: must be an object of paths below /api/auth and bytes']
  return Object.entries(bodies).flatMap(([path, bytes]: [string, unknown]) => {
    const place = `bodies[${JSON.stringify(path)}]`
    const problems: string[] = []
    if (!isPathBelow(path))
      problems.push(
        `${place}: must be a path below /api/auth, such as /api/auth/stripe/webhook or /api/auth/stripe/*; MAX_AUTH_BODY_BYTES is for all of them`
      )
    if (!Number.isInteger(bytes) || Number(bytes) < 1 || Number(bytes) > most)
      problems.push(`${place}: must be a whole number of bytes from 1 to ${most}`)
    return problems
  })
}

/** Which paths below `/api/auth` may have bodies of another size than the others: a SAML answer, and what the policy file says. */
export function bodyLimitsByPath(general: number, bodies: BodyLimitsByPath): BodyLimitsByPath {
  const answers = samlAnswers.map((path): [string, number] => [path, Math.max(general, samlAnswerBytes)])
  return { ...Object.fromEntries(answers), ...bodies }
}

// The router sees one spelling of each path; a literal of other characters would match none.
function isPathBelow(path: string): boolean {
  const segments = path.split('/')
  if (segments.length < 4 || segments.slice(0, 3).join('/') !== '/api/auth') return false
  const below = segments.slice(3)
  const literal = below.at(-1) === '*' ? below.slice(0, -1) : below
  return (
    literal.length > 0 &&
    literal.every((segment) => /^[A-Za-z0-9._~-]+$/.test(segment) && segment !== '.' && segment !== '..')
  )
}
