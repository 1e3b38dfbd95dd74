import { eq } from 'drizzle-orm'
import t from 'tap'
import type { Database } from '../../db/database.ts'
import { openDatabase } from '../../db/open-database.ts'
import { session, user } from '../../db/schema.ts'
import { createSessionReader } from '../../db/session-queries.ts'
import { eachDatabase } from '../support/databases.ts'

const createdAt = new Date('2026-03-29T01:30:00.123Z')
const expiresAt = new Date('2026-10-25T02:30:00.456Z')

eachDatabase(t, async (t, { options, postgres }) => {
  const database = await openDatabase(options)
  t.teardown(() => database.close())
  await database.db.insert(user).values({ id: 'ann', name: 'Ann', email: 'ann@example.com', emailVerified: true })
  const row = { id: 's1', token: 'token-1', userId: 'ann', createdAt, updatedAt: createdAt, expiresAt }
  await database.db.insert(session).values(row)
  const readSession = createSessionReader(database)
  const record = {
    token: 'token-1',
    sessionId: 's1',
    userId: 'ann',
    email: 'ann@example.com',
    emailVerified: true,
    name: 'Ann',
    role: null,
    impersonatedBy: null,
    bannedUntil: null,
    createdAt: createdAt.getTime(),
    updatedAt: createdAt.getTime(),
    expiresAt: expiresAt.getTime()
  }

  await t.test('it reads a session with its user, times to the millisecond', async (t) => {
    t.same(await readSession('token-1'), record)
  })

  await t.test('an unknown token is null', async (t) => {
    t.equal(await readSession('token-2'), null)
    t.equal(await readSession("' or true --"), null)
  })

  await t.test('an expired session is read as it is stored', async (t) => {
    await database.db.insert(session).values({ ...row, id: 's2', token: 'old', expiresAt: new Date(1) })
    t.equal((await readSession('old'))?.expiresAt, 1)
  })

  await t.test('times mean the same in a table that holds them without a zone, whatever the zones', async (t) => {
    const zone = process.env['TZ']
    process.env['TZ'] = 'America/St_Johns'
    t.teardown(() => {
      if (zone === undefined) delete process.env['TZ']
      else process.env['TZ'] = zone
    })
    await database.withDirectClient(async (client) => {
      await client.query(`set timezone to 'Asia/Kolkata'`)
      const first = await client.db.query.session.findFirst({ where: eq(session.id, 's1') })
      t.equal(first?.expiresAt.getTime(), expiresAt.getTime())
      await client.query(`set timezone to 'UTC'`)
      for (const column of ['created_at', 'updated_at', 'expires_at']) {
        await client.query(`alter table session alter ${column} type timestamp`)
      }
    })
    // Its plan is for the columns as they were.
    t.same(await createSessionReader(database)('token-1').catch(() => readSession('token-1')), record)
    await database.db.insert(session).values({ ...row, id: 's3', token: 'token-3' })
    t.same(await readSession('token-3'), { ...record, sessionId: 's3', token: 'token-3' })
  })

  if (postgres !== undefined) {
    await t.test('it costs one statement', async (t) => {
      const statements = await postgres.statementsDuring(() => readSession('token-1'))
      t.equal(statements.length, 1)
      t.match(statements[0], /^select .* from "session" inner join "user"/)
    })

    await t.test('it reads on where a pooler has lost or mixed up what was prepared', async (t) => {
      // One connection, which forgets what it was told by this name, or has been told it by somebody else.
      const name = await nameOfStatement(createSessionReader)
      const mixUps = { 'deallocate all': true, [`prepare ${name} as select 1`]: false }
      for (const [mixUp, isPrepared] of Object.entries(mixUps)) {
        const small = await openDatabase({ ...options, poolSize: 1 })
        t.teardown(() => small.close())
        const read = createSessionReader(small)
        if (isPrepared) t.same(await read('token-1'), record)
        await small.db.execute(mixUp)
        t.same(await read('token-1'), record, mixUp)
        const statements = await postgres.statementsDuring(() => read('token-1'))
        t.equal(statements.length, 1, 'and tries no more what failed')
      }
    })

    await t.test('a statement of another text has another name', async (t) => {
      const plain = await nameOfStatement(createSessionReader)
      const other = await nameOfStatement((small) =>
        createSessionReader(small, {
          role: 'email',
          banned: 'email_verified',
          banExpires: 'created_at',
          impersonatedBy: 'token',
          defaultRole: 'user'
        })
      )
      t.match(plain, /^gatehouse_session_[0-9a-f]{12}$/)
      t.not(other, plain)
    })

    async function nameOfStatement(reader: (small: Database) => (token: string) => Promise<unknown>): Promise<string> {
      const small = await openDatabase({ ...options, poolSize: 1 })
      t.teardown(() => small.close())
      await reader(small)('token-1')
      const found: unknown = await small.db.execute('select name from pg_prepared_statements')
      const rows = typeof found === 'object' && found !== null && 'rows' in found ? found.rows : []
      return Array.isArray(rows) ? String(rows[0]?.name) : ''
    }

    await t.test('it rejects when the database cannot answer, without showing the token', async (t) => {
      await postgres.stop()
      const error = await readSession('token-1').then(() => t.fail('it answered'), String)
      t.notMatch(error, 'token-1')
      await postgres.start()
      t.same(await readSession('token-1'), record)
    })
  }

  await t.test('a user who is gone takes the sessions along', async (t) => {
    await database.db.delete(user)
    t.equal(await readSession('token-1'), null)
  })
})
