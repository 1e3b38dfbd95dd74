import t from 'tap'
import { createConcurrencyLimit } from '../../db/semaphore.ts'
import { Device, startAuthApp } from '../support/auth-app.ts'
import { eachDatabase } from '../support/databases.ts'
import { until } from '../support/until.ts'

await eachDatabase(
  t,
  async (t, { options }) => {
    t.test('many sign-ups at once leave connections for everybody else', async (t) => {
      let hashing = 0
      let letGo = () => {}
      const held = new Promise<void>((resolve) => {
        letGo = resolve
      })
      const target = await startAuthApp(t, {
        database: { ...options, poolSize: 3 },
        passwordHashLimit: createConcurrencyLimit({ permits: 2 }),
        extension: {
          emailAndPassword: {
            password: {
              verify: async () => true,
              hash: async (password) => {
                hashing += 1
                // All hashes but the first take as long as it takes for everybody else to be answered.
                if (hashing > 1) await held
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
      await until(() => hashing === 3)
      for (let n = 0; n < 5; n++) t.equal((await device.fetch('/get-session')).status, 200)
      letGo()
      const statuses = (await Promise.all(signUps)).map(({ status }) => status)
      t.same(new Set(statuses), new Set([200]))
    })
  },
  ['pg']
)
