import fc from 'fast-check'

/** RFC 9110, section 5.6.2: every character that a header's name may have. */
export const tokenChars = [..."!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"]

export const protectedNames = ['X-User-Id', 'X-User-Email', 'X-User-Email-Verified'] as const

const reservedNames = [
  ...protectedNames,
  ...['X-User-Role', 'X-Session-Id', 'X-Session-Token', 'X-Gatehouse-Token', 'X-Request-Id', 'X-Real-IP', 'Forwarded'],
  ...['X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Forwarded-Port', 'X-Forwarded-Uri', 'X-User-']
]

const harmlessNames = ['X-Custom', 'Accept', 'User-Agent', 'X-User', 'XUser-Id', 'X-HTTP-Methods', 'Via', 'TE']

/** Every name that a protected one becomes with one token character put in one place of it. */
export function everyNeighbour(): string[] {
  const names = new Set<string>()
  for (const name of ['X-User-Id', 'X-User-Email']) {
    for (let at = 0; at <= name.length; at++) {
      for (const char of tokenChars) {
        names.add(name.slice(0, at) + char + name.slice(at + 1))
        names.add(name.slice(0, at) + char + name.slice(at))
      }
    }
  }
  return [...names]
}

const nameChange = fc.record({
  kind: fc.constantFrom('separator', 'separator', 'case', 'case', 'insert', 'replace', 'delete'),
  at: fc.nat(),
  char: fc.constantFrom(...tokenChars)
})

/** Names that are the gateway's, or nearly. */
const name = fc
  .record({
    base: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...reservedNames) },
      { weight: 1, arbitrary: fc.constantFrom(...harmlessNames) }
    ),
    changes: fc.array(nameChange, { maxLength: 4 })
  })
  .map(({ base, changes }) => changes.reduce(changedName, base))

function changedName(name: string, { kind, at, char }: { kind: string; at: number; char: string }): string {
  const place = at % Math.max(name.length, 1)
  const before = name.slice(0, place)
  const old = name[place] ?? ''
  const after = name.slice(place + 1)
  switch (kind) {
    case 'separator': {
      const separators = [...name.matchAll(/[^A-Za-z0-9]/g)].map(({ index }) => index)
      const index = separators[at % Math.max(separators.length, 1)]
      return index === undefined ? name : name.slice(0, index) + char + name.slice(index + 1)
    }
    case 'case':
      return before + (old === old.toLowerCase() ? old.toUpperCase() : old.toLowerCase()) + after
    case 'insert':
      return before + char + name.slice(place)
    case 'replace':
      return before + char + after
    default:
      return name.length > 1 ? before + after : name
  }
}

const value = fc.constantFrom(
  ...[
    'forged',
    'admin',
    '',
    ' ',
    'a,b',
    '\tforged\t',
    'forged\xe9',
    '\xff',
    '%0d%0aX-User-Id: forged',
    '127.0.0.1',
    'https'
  ],
  ...['evil.example', 'for=1.2.3.4;host=evil', '"quoted"', 'x'.repeat(500)]
)

const clean = fc.record({ name, value }).map(({ name, value }) => `${name}: ${value}`)

const connection = fc
  .array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.constantFrom(...reservedNames, 'Cookie', 'Host', 'close', 'keep-alive', 'Upgrade', '')
      },
      { weight: 1, arbitrary: name }
    ),
    { minLength: 1, maxLength: 4 }
  )
  .map((options) => `Connection: ${options.join(', ')}`)

// What no server should take, in the places where some do.
const broken = fc.constantFrom(
  ...[
    'X-User-Id : forged',
    'X-User-Id\t: forged',
    ' X-User-Id: forged',
    '\tX-User-Id: forged',
    'X-User-Id',
    ': forged'
  ],
  ...[
    'X: a\r\n X-User-Id: forged',
    'X: a\r\n\tX-User-Id: forged',
    'X: a\nX-User-Id: forged',
    'X: a\rX-User-Id: forged'
  ],
  ...[
    'X: a\r\r\nX-User-Id: forged',
    'X: \0X-User-Id: forged',
    'X\0: forged',
    'X-User-Id\xa0: forged',
    'X-User\x0bId: forged'
  ],
  ...['X-User-Id:\r\n forged', 'X-User-Id: a\r\n\tforged', 'Host: evil.example', 'Host: a/b', 'X-Us\xe9r-Id: forged']
)

/** Header lines of a client that would like to be somebody. */
export const lines = fc.array(
  fc.oneof(
    { weight: 16, arbitrary: clean },
    { weight: 3, arbitrary: connection },
    { weight: 1, arbitrary: broken },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        'Cookie: theme=dark',
        'Cookie: a=1; better-auth.x=2; better-auth-8080.y=3; b=4',
        'Trailer: X-User-Id'
      )
    }
  ),
  { maxLength: 8, size: 'max' }
)

/** Header lines behind a chunked body. */
export const trailers = fc.array(clean, { maxLength: 3 })
