import t from 'tap'
import { session } from '../../db/schema.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'

t.test('an eviction that fails does not fail the call that ended the session', async (t) => {
  let told = 0
  const fail = () => {
    told++
    throw new Error('the cache is broken')
  }
  const target = await startAuthApp(t, { changes: { sessionChanged: fail, userChanged: fail } })
  const [laptop, phone] = [new Device(target), new Device(target)]
  await laptop.signUp('ada@example.org')
  t.equal((await phone.post('/sign-in/email', { email: 'ada@example.org', password: 'correct horse' })).status, 200)
  t.equal((await phone.post('/update-user', { name: 'Ada' })).status, 200)
  t.equal((await phone.post('/revoke-other-sessions', {})).status, 200)
  t.equal(await target.database.db.$count(session), 1)
  t.equal((await phone.post('/sign-out', {})).status, 200)
  t.equal(await target.database.db.$count(session), 0)
  t.ok(told >= 3, `${told} times`)
})
