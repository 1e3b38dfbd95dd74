import t from 'tap'
import { Browser } from '../support/browser.ts'
import { eachFaultyDatabase } from '../support/faults.ts'
import { until } from '../support/until.ts'

await eachFaultyDatabase(t, async (t, database) => {
  const { sql } = database
  const gateway = await database.startGateway({ SESSION_CACHE_TTL: '1' })
  const ada = await database.signUp(gateway, 'ada')
  const [unknown] = await database.strangers(gateway, 1)
  const [due] = await database.strangers(gateway, 1, { expiresAt: "now() + interval '3 days'" })
  if (unknown === undefined || due === undefined) throw new Error('nobody')

  const setReadOnly = async (value: 'on' | 'off') => {
    await sql(`alter system set default_transaction_read_only = ${value}`)
    await sql('select pg_reload_conf()')
    // Told by a signal; connections that are open hear of it between statements.
    await until(
      async () => (await sql('show default_transaction_read_only'))[0]?.['default_transaction_read_only'] === value
    )
  }
  t.teardown(() => setReadOnly('off'))

  t.test('while the database can only be read, sessions go on, and what has to write is 503', async (t) => {
    await setReadOnly('on')
    t.equal((await ada.ask('/me')).status, 200)
    t.equal((await unknown.ask('/me')).status, 200)

    const answer = await due.ask('/me')
    t.equal(answer.status, 200, 'a session that is due cannot be refreshed, and is still a session')
    t.equal(answer.headers['set-cookie'], undefined, 'no cookie is cleared, and none promised')

    const signIn = await new Browser(gateway.url, gateway.publicUrl).signIn('ada')
    t.equal(signIn.status, 503)
    t.match(signIn.json(), { code: 'SESSION_STORE_UNAVAILABLE' })
    const signOut = await ada.signOut()
    t.equal(signOut.status, 503, 'a sign-out that did not happen is not said to have')
    t.equal(signOut.headers['set-cookie'], undefined)
    t.equal((await ada.ask('/me')).status, 200)
    t.notMatch(gateway.logged(), 'the database does not answer', 'nothing is given up')
  })

  t.test('when it can be written again, the refresh is made up for', async (t) => {
    await setReadOnly('off')
    await until(async () => (await due.ask('/me')).headers['set-cookie'] !== undefined)
    t.equal((await due.ask('/me')).status, 200)
    t.equal((await new Browser(gateway.url, gateway.publicUrl).signIn('ada')).status, 200)
    t.equal((await ada.signOut()).status, 200)
  })
})
