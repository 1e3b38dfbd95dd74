import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { eachDatabase } from '../support/databases.ts'

await eachDatabase(
  t,
  async (t, { options }) => {
    t.test('many sign-ups at once leave connections for everybody else', async (t) => {
      let hashing = 0
      const target = await startAuthApp(t, {
        // Thirty hashes on three connections would take longer than anybody waits for one.
        database: { ...options, poolSize: 3, connectionTimeoutMs: 400 },
        extension: {
          emailAndPassword: {
            password: {
              verify: async () => true,
              hash: async (password) => {
                hashing += 1
                await setTimeout(50)
                return password
              }
            }
          }
        }
      })
      const device = new Device(target)
      await device.signUp('ada@example.org')
      const signUps = Array.from({ length: 30 }, (_, n) =>
        new Device(target).post('/sign-up/email', { email: `n${n}@example.org`, password: 'correct horse', name: 'n' })
      )
      while (hashing < 3) await setTimeout(5)
      for (let n = 0; n < 5; n++) t.equal((await device.fetch('/get-session')).status, 200)
      const statuses = (await Promise.all(signUps)).map(({ status }) => status)
      t.same(new Set(statuses), new Set([200]))
    })
  },
  ['pg']
)
