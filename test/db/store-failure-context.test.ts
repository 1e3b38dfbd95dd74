import t from 'tap'
import { isStoreFailure } from '../../db/failure-kind.ts'
import { openDatabase } from '../../db/open-database.ts'
import { user } from '../../db/schema.ts'
import { watchStoreFailures } from '../../db/store-failure-context.ts'
import { eachDatabase } from '../support/databases.ts'

const ann = { id: 'ann', name: 'Ann', email: 'ann@example.com' }

// Class 55: the server's own, and no fault of the statement.
const locked = `do $$ begin raise exception 'x' using errcode = '55P03'; end $$`

eachDatabase(t, async (t, { options, postgres }) => {
  const database = await openDatabase(options)
  t.teardown(() => database.close())
  const add = () => database.db.insert(user).values(ann)

  await t.test('work that the store answered did not fail', async (t) => {
    await add()
    t.match(await watchStoreFailures(async () => 'done'), { ok: true, result: 'done', storeFailed: false })
    t.match(await watchStoreFailures(() => database.db.select().from(user)), { ok: true, storeFailed: false })
  })

  await t.test('a broken constraint and bad data are answers of the store, not failures', async (t) => {
    const twice = await watchStoreFailures(async () => await add())
    t.match(twice, { ok: false, storeFailed: false })
    t.equal('error' in twice && isStoreFailure(twice.error), false)
    const bad = await watchStoreFailures(() => database.db.execute(`select 'x'::text::int`))
    t.match(bad, { ok: false, storeFailed: false, failures: new Set(['input']) })
    const large = await watchStoreFailures(() =>
      database.db.execute(`do $$ begin raise exception using errcode = '54000'; end $$`)
    )
    t.match(large, { ok: false, storeFailed: false, failures: new Set(['input']) })
  })

  await t.test('a statement that is wrong is our failure, also where a transaction goes on after it', async (t) => {
    const wrong = () =>
      database.db.transaction(async (tx) => {
        await tx.execute('select * from nowhere').catch(() => {})
        await tx.execute('select 1')
      })
    t.match(await watchStoreFailures(wrong), { ok: false, storeFailed: false, failures: new Set(['broken']) })
    t.match(await watchStoreFailures(() => wrong().catch(() => {})), { ok: true, storeFailed: false })
  })

  await t.test('an error of the work itself is none of the store', async (t) => {
    const own = watchStoreFailures(() => Promise.reject(new Error('mine')))
    t.match(await own, { ok: false, error: { message: 'mine' }, storeFailed: false })
    const inside = watchStoreFailures(() => database.db.transaction(() => Promise.reject(new Error('mine'))))
    t.match(await inside, { ok: false, error: { message: 'mine' }, storeFailed: false })
  })

  await t.test(
    'a failure counts even when the work swallows it, in a transaction too, and for those outside',
    async (t) => {
      const swallow = async () => {
        await database.db.execute(locked).catch(() => {})
        return 'swallowed'
      }
      t.match(await watchStoreFailures(swallow), { ok: true, result: 'swallowed', storeFailed: true })
      t.match(await watchStoreFailures(() => watchStoreFailures(swallow)), { ok: true, storeFailed: true })
      const inside = () =>
        database.db.transaction((tx) =>
          tx.execute(locked).then(
            () => 'no',
            () => 'swallowed'
          )
        )
      t.match(await watchStoreFailures(() => inside().catch(() => {})), { ok: true, storeFailed: true })
      t.match(await watchStoreFailures(() => database.db.select().from(user)), { ok: true, storeFailed: false })
    }
  )

  await t.test('work at the same time keeps its own verdict', async (t) => {
    const [good, bad] = await Promise.all([
      watchStoreFailures(() => database.ping()),
      watchStoreFailures(() => database.db.execute(locked))
    ])
    t.equal(good.storeFailed, false)
    t.equal(bad.storeFailed, true)
  })

  if (postgres !== undefined) {
    await t.test('a database that is down is a failure of the store', async (t) => {
      await postgres.stop()
      t.match(await watchStoreFailures(() => database.ping().catch(() => {})), { ok: true, storeFailed: true })
      const begin = await watchStoreFailures(() => database.db.transaction((tx) => tx.execute('select 1')))
      t.match(begin, { ok: false, storeFailed: true })
      const direct = await watchStoreFailures(() => database.withDirectClient((client) => client.query('select 1')))
      t.match(direct, { ok: false, storeFailed: true })
      await postgres.start()
    })
  }
})
