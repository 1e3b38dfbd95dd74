import t from 'tap'
import type { Database } from '../../db/database.ts'
import { marginMs, removeAged, removeBatch, removeExpired } from '../../db/expired-rows.ts'
import { openDatabase } from '../../db/open-database.ts'
import { session, user, verification } from '../../db/schema.ts'
import { ageless } from '../../db/session-end-time.ts'
import { createSessionReader } from '../../db/session-queries.ts'
import { eachDatabase } from '../support/databases.ts'

const now = Date.now()
const minute = 60_000
const limit = 100

function sessionRow(id: string, expiresAt: number) {
  const at = new Date(now - 30 * marginMs)
  return { id, token: `token-${id}`, userId: 'ann', createdAt: at, updatedAt: at, expiresAt: new Date(expiresAt) }
}

async function idsOf({ db }: Database): Promise<string[]> {
  const rows = await db.select({ id: session.id }).from(session)
  return rows.map(({ id }) => id).sort()
}

eachDatabase(t, async (t, { options, postgres }) => {
  const database = await openDatabase(options)
  t.teardown(() => database.close())
  await database.db.insert(user).values({ id: 'ann', name: 'Ann', email: 'ann@example.com' })
  const expired = (count: number, prefix = 'old') =>
    database.db
      .insert(session)
      .values(Array.from({ length: count }, (_, i) => sessionRow(`${prefix}-${i}`, now - marginMs - minute)))

  await t.test('only what expired more than a day ago goes', async (t) => {
    const days = [-1.01, -0.99, -0.1, 0.1, 7]
    await database.db.insert(session).values(days.map((day) => sessionRow(`day ${day}`, now + day * marginMs)))
    await database.db.insert(verification).values(
      days.map((day) => ({
        id: `day ${day}`,
        identifier: 'x',
        value: 'y',
        expiresAt: new Date(now + day * marginMs)
      }))
    )
    t.same(await removeBatch(database, 'session', { limit, now }), { mine: true, removed: 1 })
    t.same(await removeBatch(database, 'verification', { limit, now }), { mine: true, removed: 1 })
    t.same(await removeBatch(database, 'session', { limit, now }), { mine: true, removed: 0 })
    t.same(await idsOf(database), ['day -0.1', 'day -0.99', 'day 0.1', 'day 7'])
    t.equal((await database.db.select().from(verification)).length, 4)
  })

  await t.test('neither clock alone removes a session, however far ahead it is', async (t) => {
    t.same(await removeBatch(database, 'session', { limit, now: now + 365 * marginMs }), { mine: true, removed: 0 })
    await expired(1)
    t.same(await removeBatch(database, 'session', { limit, now: now - 365 * marginMs }), { mine: true, removed: 0 })
    t.same(await removeBatch(database, 'session', { limit, now }), { mine: true, removed: 1 })
  })

  await t.test('a batch is no larger than it is allowed to be', async (t) => {
    await expired(250)
    const batches = []
    for (let i = 0; i < 3; i++) batches.push(await removeBatch(database, 'session', { limit, now }))
    t.same(
      batches.map(({ removed }) => removed),
      [100, 100, 50]
    )
  })

  await t.test('it neither waits for a session that somebody holds nor keeps anybody waiting', async (t) => {
    if (postgres === undefined) {
      t.pass('the embedded database runs one statement at a time')
      return
    }
    await expired(2, 'held')
    const before = await idsOf(database)
    await database.withDirectClient(async (client) => {
      await client.query('begin')
      await client.query(`select 1 from session where id = 'held-0' for update`)
      t.same(await removeBatch(database, 'session', { limit, now }), { mine: true, removed: 1 }, 'the other one goes')
      await client.query('rollback')
    })
    t.same(
      await idsOf(database),
      before.filter((id) => id !== 'held-1')
    )
    await database.withDirectClient(async (sweeping) => {
      await sweeping.query('begin')
      await removeBatch({ ...database, db: sweeping.db }, 'session', { limit, now })
      // Its transaction is still open.
      await database.db.insert(session).values(sessionRow('new', now + marginMs))
      t.ok(await createSessionReader(database)('token-new'), 'who signs in meanwhile is signed in')
      await sweeping.query('commit')
    })
    t.notOk((await idsOf(database)).includes('held-0'))
  })

  await t.test('one process at a time does it, and a second one leaves', async (t) => {
    if (postgres === undefined) {
      t.pass('the embedded database belongs to one process')
      return
    }
    await expired(2, 'once')
    await database.withDirectClient(async (first) => {
      await first.query('begin')
      t.same(await removeBatch({ ...database, db: first.db }, 'session', { limit: 1, now }), { mine: true, removed: 1 })
      t.same(await removeBatch(database, 'session', { limit, now }), { mine: false, removed: 0 })
      t.same(await removeBatch(database, 'verification', { limit, now }), { mine: false, removed: 0 })
      await first.query('commit')
    })
    t.same(await removeBatch(database, 'session', { limit, now }), { mine: true, removed: 1 })
  })

  await t.test('what ended by its age goes a day later, and only where there is an age', async (t) => {
    await database.db.delete(session)
    const row = (id: string, used: number, began: number) => {
      const living = sessionRow(id, now + marginMs)
      return { ...living, updatedAt: new Date(now + used * marginMs), createdAt: new Date(now + began * marginMs) }
    }
    await database.db
      .insert(session)
      .values([
        row('idle', -2.01, -3),
        row('nearly idle', -1.99, -3),
        row('old', 0, -5.01),
        row('nearly old', 0, -4.99)
      ])
    const [idle, absolute] = [
      { ...ageless, idleMs: marginMs },
      { ...ageless, absoluteMs: 4 * marginMs }
    ]
    const read = { block: 0, limit, now }
    const last = { mine: true, removed: 0, next: null }
    t.same(await removeAged(database, { ...read, ages: ageless }), last)
    for (const off of [-365, 365]) {
      const either = { ages: { ...idle, absoluteMs: 4 * marginMs }, block: 0, limit, now: now + off * marginMs }
      if (off < 0) t.same(await removeAged(database, either), last, 'neither clock alone removes one')
    }
    t.same(await removeAged(database, { ...read, ages: idle }), { ...last, removed: 1 })
    t.same(await removeAged(database, { ...read, ages: absolute }), { ...last, removed: 1 })
    t.same(await idsOf(database), ['nearly idle', 'nearly old'])
    t.same(await removeExpired(database, new AbortController().signal, idle), { session: 0, verification: 0 })
  })

  await t.test('a table of many blocks is read to its end, some rows at a time', async (t) => {
    await database.withDirectClient((client) =>
      client.query(
        `insert into session (id, token, user_id, expires_at, created_at, updated_at, user_agent)
         select 'wide-' || i, 'wide-' || i, 'ann', now() + interval '5 days', now(),
           now() - case when i % 1000 = 0 then interval '3 days' else interval '0' end, repeat('x', 1500)
         from generate_series(1, 12000) i`
      )
    )
    const ages = { ...ageless, idleMs: marginMs }
    const first = await removeAged(database, { ages, block: 0, limit: 2, now })
    t.same(first, { mine: true, removed: 2, next: 0 }, 'as many as there may be: the same blocks again')
    const second = await removeAged(database, { ages, block: 0, limit, now })
    t.equal(second.next, 1_000)
    t.ok(second.removed >= 1)
    const rest = await removeExpired(database, new AbortController().signal, ages)
    t.ok(rest.session >= 1, 'some lay in other blocks')
    t.equal(first.removed + second.removed + rest.session, 12)
    t.equal((await idsOf(database)).filter((id) => id.startsWith('wide-')).length, 11_988)
    await database.db.delete(session)
  })

  await t.test('it finds what has expired without reading the table', async (t) => {
    await database.withDirectClient(async (client) => {
      await client.query(
        `insert into session (id, token, user_id, expires_at, created_at, updated_at)
         select 'live-' || i, 'live-' || i, 'ann', now() + interval '5 days', now(), now() from generate_series(1, 20000) i`
      )
      await client.query('analyze session')
      // Of this connection alone: what others have read is counted in when the server finds time for it.
      const read = async () => {
        const { rows } = await client.query(
          `select coalesce(sum(seq_tup_read), 0)::int as read from pg_stat_xact_user_tables where relname = 'session'`
        )
        return Number(rows[0]?.['read'])
      }
      await client.query('begin')
      const before = await read()
      await removeBatch({ ...database, db: client.db }, 'session', { limit, now })
      t.equal(await read(), before)
      await client.query('select count(*) from session where user_agent is null')
      t.ok((await read()) > before, 'a reading of the table would have been counted')
      await client.query('commit')
    })
  })
})
