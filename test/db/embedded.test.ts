import { once } from 'node:events'
import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import type { Database, DatabaseOptions } from '../../db/database.ts'
import { sqlState } from '../../db/failure-kind.ts'
import { openDatabase } from '../../db/open-database.ts'
import { user } from '../../db/schema.ts'
import { runScript } from '../support/child.ts'
import { makeEmbedded } from '../support/embedded-database.ts'
import { until } from '../support/until.ts'

const ann = { id: 'ann', name: 'Ann', email: 'ann@example.com' }
const endless = sql`select pg_sleep(120)`
// Far longer than any other statement of these tests takes on a busy machine.
const statementTimeoutMs = 1_500

async function open(t: Test, options: Partial<DatabaseOptions> = {}): Promise<Database> {
  const dataDir = await makeEmbedded(t)
  const database = await openDatabase({ driver: 'pglite', dataDir, ...options })
  t.teardown(() => database.close())
  return database
}

const answers = (database: Database) =>
  database.ping().then(
    () => true,
    () => false
  )

t.test('everything else goes on while a statement runs', async (t) => {
  const database = await open(t)
  let answered = false
  const slow = database.db.execute(sql`select pg_sleep(0.5)`).then(() => {
    answered = true
  })
  // Twenty rounds of the event loop, which an answer in the same thread would not have let begin.
  for (let round = 0; round < 20; round++) await new Promise((resume) => setImmediate(resume))
  t.notOk(answered)
  await slow
})

t.test('a statement that takes too long is given up, and soon there is another thread', async (t) => {
  const said: boolean[] = []
  const database = await open(t, { statementTimeoutMs, onAway: (away) => said.push(away) })
  await database.db.insert(user).values(ann)
  const lost: Error[] = []
  const stop = await database.listen('gatehouse', t.fail, (error) => lost.push(error))
  const waiting = database.ping()
  await Promise.all([
    t.rejects(database.db.execute(endless)),
    t.rejects(
      waiting.then(() => database.ping()),
      { code: 'DATABASE_AWAY' },
      'whoever waits is told at once'
    )
  ])
  await until(() => answers(database), 60_000)
  t.equal(lost.length, 1)
  t.same(said, [true, false])
  t.equal((await database.db.select().from(user)).length, 1, 'what was written stays')
  await stop()

  const heard: string[] = []
  await database.listen('gatehouse', (payload) => heard.push(payload), t.fail)
  await database.db.execute(sql`select pg_notify('gatehouse', 'again')`)
  await until(() => heard.length === 1)
})

t.test('a transaction that loses its thread does not go on in the next', async (t) => {
  const database = await open(t, { statementTimeoutMs })
  const torn = database.db.transaction(async (tx) => {
    await tx.insert(user).values(ann)
    await tx.execute(endless).catch(() => {})
    // Nor does it keep others from the next, although it is not over.
    await until(() => answers(database), 60_000)
    await tx.insert(user).values({ ...ann, id: 'second', email: 'second@example.com' })
  })
  await t.rejects(torn)
  t.same(await database.db.select().from(user), [])
})

t.test('others wait for the end of a transaction, so many and so long', async (t) => {
  const database = await open(t, { waitingMax: 1, connectionTimeoutMs: 200 })
  let end = () => {}
  const held = database.db.transaction(async () => {
    await new Promise<void>((resolve) => {
      end = resolve
    })
  })
  await until(async () => {
    const refused = await database.ping().catch((error: unknown) => error)
    return refused instanceof Error && 'code' in refused && refused.code === 'DATABASE_BUSY'
  })
  const first = database.ping()
  await Promise.all([
    t.rejects(database.ping(), { code: 'DATABASE_BUSY' }),
    t.rejects(first, { code: 'DATABASE_BUSY' })
  ])
  const patient = database.withDirectClient((client) => client.query('select 1'))
  end()
  await Promise.all([held, patient])
  await database.ping()
})

t.test('a transaction whose failure was swallowed says that nothing was written', async (t) => {
  const database = await open(t)
  const swallowing = database.db.transaction(async (tx) => {
    await tx.insert(user).values(ann)
    const twice = await tx
      .insert(user)
      .values(ann)
      .catch((error: unknown) => error)
    t.equal(sqlState(twice), '23505')
  })
  t.equal(sqlState(await swallowing.catch((error: unknown) => error)), '25P02')
  t.same(await database.db.select().from(user), [])
})

t.test('no statement and no parameter is in an error', async (t) => {
  const database = await open(t)
  const secret = 'the-secret'
  const failed = database.withDirectClient((client) => client.query('select $1::int', [secret]))
  const error = await failed.catch((error: unknown) => error)
  t.equal(sqlState(error), '22P02')
  t.same(Object.keys(Object(error)).sort(), ['code', 'column', 'constraint', 'table'])
})

t.test('it does with 4 MB of buffers, which are resident as a whole', async (t) => {
  const database = await open(t)
  const { rows } = await database.withDirectClient((client) => client.query('show shared_buffers'))
  t.same(rows, [{ shared_buffers: '4MB' }])
})

t.test('it closes while a statement runs, and the directory is free', async (t) => {
  const dataDir = await makeEmbedded(t)
  const database = await openDatabase({ driver: 'pglite', dataDir })
  const running = database.withDirectClient((client) => client.query('select pg_sleep(120)'))
  const refused = t.rejects(running)
  await database.close()
  await refused
  const again = await openDatabase({ driver: 'pglite', dataDir })
  await again.ping()
  await again.close()
})

t.test('it closes while its thread is being replaced', async (t) => {
  const dataDir = await makeEmbedded(t)
  const database = await openDatabase({ driver: 'pglite', dataDir, statementTimeoutMs })
  await t.rejects(database.db.execute(endless))
  await database.close()
  const again = await openDatabase({ driver: 'pglite', dataDir })
  await again.ping()
  await again.close()
})

t.test('an open database does not keep its process from ending', async (t) => {
  const { child, said } = await runScript(t, 'leave-open.ts', await makeEmbedded(t))
  t.equal(said, 'open')
  if (child.exitCode === null) await once(child, 'exit')
  t.equal(child.exitCode, 0)
})
