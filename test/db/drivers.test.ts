import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import type { Database } from '../../db/database.ts'
import { openDatabase } from '../../db/open-database.ts'
import { user } from '../../db/schema.ts'
import { eachDatabase } from '../support/databases.ts'
import { until } from '../support/until.ts'

const ann = { id: 'ann', name: 'Ann', email: 'ann@example.com' }

eachDatabase(t, async (t, { options, postgres }) => {
  const database = await openDatabase(options)
  t.teardown(() => database.close())
  const emailOfAnn = async () => {
    const [found] = await database.db.select().from(user).where(eq(user.id, ann.id))
    return found?.email
  }

  await t.test('it answers', async (t) => {
    await database.ping()
    t.equal(database.awake(), postgres === undefined, 'to ask whether it is there is no use of it')
    await database.db.insert(user).values(ann)
    t.equal(await emailOfAnn(), ann.email)
    t.equal(database.awake(), true)
  })

  await t.test('a transaction that fails leaves nothing behind', async (t) => {
    const failing = database.db.transaction(async (tx) => {
      await tx.update(user).set({ email: 'changed@example.com' })
      throw new Error('changed my mind')
    })
    await t.rejects(failing, { message: 'changed my mind' })
    t.equal(await emailOfAnn(), ann.email)
  })

  await t.test('a transaction that succeeds stays', async (t) => {
    await database.db.transaction((tx) => tx.update(user).set({ email: 'new@example.com' }).execute())
    t.equal(await emailOfAnn(), 'new@example.com')
  })

  await t.test('a prepared statement may run many times', async (t) => {
    const prepared = database.db.select({ id: user.id }).from(user).prepare('drivers_test')
    for (let i = 0; i < 3; i++) t.same(await prepared.execute(), [{ id: 'ann' }])
  })

  await t.test('it hears notifications of its channel, payload and all, until it stops', async (t) => {
    const heard: string[] = []
    const stop = await database.listen('Odd channel', (payload) => heard.push(payload), t.fail)
    await notify(database, 'Odd channel', 'one')
    await notify(database, 'another', 'no')
    await notify(database, 'Odd channel', '')
    await until(() => heard.length === 2)
    await stop()
    await stop()
    await notify(database, 'Odd channel', 'late')
    await database.ping()
    t.same(heard, ['one', ''])
  })

  if (postgres !== undefined) {
    await t.test('a connection that drops is replaced, and one that listens says that it is lost', async (t) => {
      let lost = 0
      await database.listen('drops', t.fail, () => lost++)
      const { pathname } = new URL(options.url ?? '')
      await postgres.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${pathname.slice(1)}'`
      )
      await until(() => lost === 1)
      await until(() =>
        database.ping().then(
          () => true,
          () => false
        )
      )
      t.equal(await emailOfAnn(), 'new@example.com')
      t.equal(lost, 1)
    })

    await t.test('a statement that takes too long is given up, and its connection with it', async (t) => {
      const impatient = await openDatabase({ ...options, poolSize: 1, statementTimeoutMs: 1_000 })
      t.teardown(() => impatient.close())
      await t.rejects(impatient.db.execute('select pg_sleep(60)'))
      t.same(await impatient.db.select({ email: user.email }).from(user), [{ email: 'new@example.com' }])
    })

    await t.test('transactions that cannot begin do not use the pool up', async (t) => {
      const small = await openDatabase({
        ...options,
        poolSize: 1,
        statementTimeoutMs: 1_000,
        connectionTimeoutMs: 10_000
      })
      t.teardown(() => small.close())
      for (let i = 0; i < 2; i++) {
        const [backend] = await small.db.select({ pid: sql<number>`pg_backend_pid()` }).from(user)
        const pid = Number(backend?.pid)
        process.kill(pid, 'SIGSTOP')
        t.teardown(() => process.kill(pid, 'SIGCONT'))
        await t.rejects(small.db.transaction((tx) => tx.execute('select 1')))
      }
      await small.ping()
    })

    await t.test('it comes back when the server does', async (t) => {
      await postgres.stop()
      await t.rejects(database.ping())
      await t.rejects(database.withDirectClient((client) => client.query('select 1')))
      await postgres.start()
      await database.ping()
      const { rows } = await database.withDirectClient((client) => client.query('select $1::int + 1 as sum', [1]))
      t.same(rows, [{ sum: 2 }])
    })
  }

  await t.test('it closes, twice, and answers nothing any more', async (t) => {
    await Promise.all([database.close(), database.close()])
    await t.rejects(database.ping())
  })
})

function notify(database: Database, channel: string, payload: string): Promise<unknown> {
  return database.withDirectClient((client) => client.query('select pg_notify($1, $2)', [channel, payload]))
}
