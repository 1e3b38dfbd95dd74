import { emailOTP, phoneNumber, username } from 'better-auth/plugins'
import t from 'tap'
import { Browser } from '../support/browser.ts'
import { startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

// Hooks of BetterAuth's plugins read a body's fields before anybody looked whether it has some: a TypeError, and a 500.

const codes: string[] = []
const sendVerificationOTP = async ({ otp }: { otp: string }) => void codes.push(otp)
const email = 'eve@example.com'
const json = { 'content-type': 'application/json' }

for (const [name, plugins] of [
  ['username', [username(), emailOTP({ sendVerificationOTP })]],
  ['phone number', [phoneNumber({ sendOTP: () => {} })]]
] as const)
  await t.test(`with the ${name} plugin`, async (t) => {
    const gateway = await startTestGateway(t, { policy: { auth: { plugins: [...plugins] } } })
    const somebody = () => new Browser(gateway.url, gateway.publicUrl)
    const ada = somebody()
    await ada.signUp('ada')

    for (const body of ['', 'null', '"x"', '1', 'true', '[]', '[null]'])
      for (const path of ['/sign-up/email', '/update-user']) {
        const who = path === '/update-user' ? ada : somebody()
        const answer = await who.ask(`/api/auth${path}`, { method: 'POST', headers: json, body })
        t.match(answer, { status: 400, text: /"code":"REQUEST_INVALID"/ }, `${path} ${body}`)
      }
    const nothing = await ada.ask('/api/auth/update-user', { method: 'POST' })
    t.equal(nothing.status, 400, 'no body and no type')

    t.match(await ada.post('/api/auth/update-user', { name: 'Ada' }), { status: 200 }, 'what is right is taken')
    t.match(await ada.ask('/api/auth/sign-out', { method: 'POST' }), { status: 200 }, 'who needs no body sends none')
  })

t.test('a name that is no text', async (t) => {
  const gateway = await startTestGateway(t, {
    policy: { auth: { plugins: [username(), emailOTP({ sendVerificationOTP })] } }
  })
  const somebody = () => new Browser(gateway.url, gateway.publicUrl)
  const ada = somebody()
  await ada.signUp('ada')
  const asked = await somebody().post('/api/auth/email-otp/send-verification-otp', { email, type: 'sign-in' })
  t.equal(asked.status, 200)
  await until(() => codes.length > 0)
  const otp = codes[0]
  const password = 'correct horse battery'
  for (const field of ['username', 'displayUsername'])
    for (const value of [5, true, ['abc'], { a: 1 }]) {
      const what = `${field} ${JSON.stringify(value)}`
      for (const [who, path, body] of [
        [somebody(), '/sign-in/email-otp', { email, otp }],
        [somebody(), '/sign-up/email', { email, password, name: 'Eve' }],
        [ada, '/update-user', {}]
      ] as const)
        t.match(
          await who.post(`/api/auth${path}`, { ...body, [field]: value }),
          { status: 400, text: /"code":"REQUEST_INVALID"/ },
          `${path} ${what}`
        )
    }
  const taken = await somebody().post('/api/auth/sign-in/email-otp', { email, otp, username: 'eve_l' })
  t.match(taken, { status: 200, text: /"eve_l"/ }, 'no refusal used the code up')
  t.equal((await ada.post('/api/auth/update-user', { username: 'ada_l', displayUsername: 'Ada L' })).status, 200)
})
