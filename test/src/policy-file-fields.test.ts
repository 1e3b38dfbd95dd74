import { getAuthTables } from 'better-auth/db'
import { admin, username } from 'better-auth/plugins'
import t from 'tap'
import { ownFields, type PrincipalHeader, readPrincipalHeaders } from '../../auth/additional-fields.ts'
import { type AuthExtension, extensionProblems } from '../../auth/policy-auth-options.ts'
import { isEach } from './problems.ts'

const told = { type: 'string', input: false } as const
const claimed = { type: 'string' } as const

t.test("BetterAuth's own fields are known by name", async (t) => {
  for (const model of ['user', 'session'] as const)
    t.same(
      Object.keys(getAuthTables({})[model]?.fields ?? {})
        .concat('id')
        .sort(),
      [...ownFields[model]].sort()
    )
})

t.test('users and sessions may have fields of the application, and ids of Postgres', async (t) => {
  const extension: AuthExtension = {
    user: {
      additionalFields: {
        plan: { ...told, defaultValue: 'free' },
        seats: { type: 'number', input: false },
        tags: { type: 'string[]', required: false },
        size: { type: ['small', 'large'], fieldName: 'shirtSize' }
      }
    },
    session: { additionalFields: { device: told } },
    advanced: { database: { generateId: 'uuid' } }
  }
  t.same(extensionProblems(extension), [])
  t.same(extensionProblems({ advanced: { database: { generateId: 'serial' } } }), [])
})

t.test('a field of another name takes nobody else’s rules', async (t) => {
  const problems = extensionProblems({
    plugins: [admin(), username()],
    user: {
      additionalFields: {
        email: claimed,
        emailVerified: { type: 'boolean' },
        email_verified: { type: 'boolean' },
        role: claimed,
        banReason: claimed,
        display_username: claimed,
        level: { type: 'string', fieldName: 'role' },
        planTier: claimed,
        plan_tier: claimed,
        'plan-x': claimed,
        constructor: claimed,
        proto: { type: 'string', fieldName: '__proto__' },
        price: { type: 'money' },
        size: 'large'
      }
    },
    session: { additionalFields: { token: claimed, userId: claimed, impersonatedBy: claimed, id: claimed } }
  })
  isEach(t, problems, [
    /^auth\.user\.additionalFields\.email: is a field of BetterAuth's own/,
    /^auth\.user\.additionalFields\.emailVerified: is a field of BetterAuth's own/,
    /^auth\.user\.additionalFields\.email_verified: is a field of BetterAuth's own/,
    /^auth\.user\.additionalFields\.role: is a field of one of the plugins/,
    /^auth\.user\.additionalFields\.banReason: is a field of one of the plugins/,
    /^auth\.user\.additionalFields\.display_username: is a field of one of the plugins/,
    /^auth\.user\.additionalFields\.level: is a field of one of the plugins/,
    /^auth\.user\.additionalFields\.plan_tier: is there twice/,
    /^auth\.user\.additionalFields\.plan-x: must be named with/,
    /^auth\.user\.additionalFields\.constructor: must be named with/,
    /^auth\.user\.additionalFields\.proto: must be named with/,
    /^auth\.user\.additionalFields\.price\.type: must be one of/,
    /^auth\.user\.additionalFields\.size: must be an object/,
    /^auth\.session\.additionalFields\.token: is a field of BetterAuth's own/,
    /^auth\.session\.additionalFields\.userId: is a field of BetterAuth's own/,
    /^auth\.session\.additionalFields\.impersonatedBy: is a field of one of the plugins/,
    /^auth\.session\.additionalFields\.id: is a field of BetterAuth's own/
  ])
  t.same(extensionProblems({ user: { additionalFields: [] } }).length, 1)
  isEach(t, extensionProblems({ advanced: { database: { generateId: false, joins: false } } }), [
    /^auth\.advanced\.database\.generateId: must be "uuid" or "serial"/,
    /^auth\.advanced\.database\.joins: is the gateway's/
  ])
})

function read(principalHeaders: readonly PrincipalHeader[], auth: AuthExtension) {
  return readPrincipalHeaders({ principalHeaders, auth })
}

t.test('what FastAPI is told is what no client can set, or is called a claim', async (t) => {
  const auth: AuthExtension = {
    user: { additionalFields: { planTier: told, motto: claimed, open: { type: 'boolean', input: true } } },
    session: { additionalFields: { device: { ...told, fieldName: 'deviceName' } } }
  }
  t.same(read(['name', 'planTier', { field: 'motto', clientMaySet: true }, 'device'], auth), {
    fields: [
      { table: 'user', key: 'planTier', header: 'X-User-Plan-Tier' },
      { table: 'user', key: 'motto', header: 'X-User-Claimed-Motto' },
      { table: 'session', key: 'deviceName', header: 'X-User-Device' }
    ],
    problems: []
  })
  const refused: PrincipalHeader[] = [
    'motto',
    'open',
    { field: 'planTier', clientMaySet: true },
    'password',
    'planTier'
  ]
  isEach(t, read([...refused, 'planTier', 'toString'], auth).problems, [
    /^principalHeaders\[0\]: clients can set "motto" .*input: false in auth\.user\.additionalFields\.motto, .*X-User-Claimed-Motto/,
    /^principalHeaders\[1\]: clients can set "open"/,
    /^principalHeaders\[2\]: no client can set "planTier"/,
    /^principalHeaders\[3\]: must be one of name, role, sessionId, sessionCreatedAt, impersonatedBy, or a field/,
    /^principalHeaders\[5\]: X-User-Plan-Tier is there twice/,
    /^principalHeaders\[6\]: must be one of/
  ])
})

t.test('no field is told in a header that means something else', async (t) => {
  const names = [
    'role',
    'Name',
    'email__verified',
    'impersonated_by',
    'claimedMotto',
    'orgRole',
    'Claimed',
    'id_',
    '_id'
  ]
  const fields = Object.fromEntries(names.map((name) => [name, told]))
  const { problems, fields: found } = read(
    names.filter((name) => name !== 'role'),
    { user: { additionalFields: fields } }
  )
  t.same(found, [])
  isEach(
    t,
    problems,
    names.filter((name) => name !== 'role').map((name) => new RegExp(`"${name}" would be sent as X-User-`))
  )
  const both: AuthExtension = {
    user: { additionalFields: { plan: told } },
    session: { additionalFields: { plan: told } }
  }
  isEach(t, read(['plan'], both).problems, [/"plan" is a field of users and of sessions/])
  const twice = { user: { additionalFields: { motto: claimed, mo_tto: claimed, moTto: claimed } } }
  isEach(
    t,
    read(
      [
        { field: 'mo_tto', clientMaySet: true },
        { field: 'moTto', clientMaySet: true }
      ],
      twice
    ).problems,
    [/X-User-Claimed-Mo-Tto is there twice/]
  )
})
