import t from 'tap'
import { type AuthExtension, extensionProblems } from '../../auth/policy-auth-options.ts'

t.test('what extends BetterAuth passes', async (t) => {
  const extension: AuthExtension = {
    appName: 'House',
    basePath: '/identity',
    emailAndPassword: { minPasswordLength: 12, requireEmailVerification: true },
    emailVerification: { sendOnSignUp: true },
    sendResetPassword: async () => {},
    sendVerificationEmail: async () => {},
    socialProviders: { github: { clientId: 'id', clientSecret: 'secret' } },
    plugins: [{ id: 'mine' }],
    session: { expiresIn: 3600, updateAge: 60 },
    user: { changeEmail: { enabled: true } },
    account: { accountLinking: { enabled: false } },
    advanced: { backgroundTasks: { handler: () => {} } },
    disabledPaths: ['/update-user']
  }
  t.same(extensionProblems(extension), [])
  t.same(extensionProblems({}), [])
  t.same(extensionProblems({ secret: undefined }), [])
})

const ownKeys = [
  'baseURL',
  'secret',
  'secrets',
  'database',
  'secondaryStorage',
  'trustedOrigins',
  'rateLimit',
  'logger',
  'telemetry',
  'session.cookieCache',
  'session.storeSessionInDatabase',
  'session.modelName',
  'user.additionalFields',
  'account.fields',
  'account.skipStateCookieCheck',
  'verification.modelName',
  'emailAndPassword.disableSignUp',
  'emailAndPassword.revokeSessionsOnPasswordReset',
  'onAPIError.throw',
  'advanced.cookies',
  'advanced.cookiePrefix',
  'advanced.useSecureCookies',
  'advanced.crossSubDomainCookies',
  'advanced.defaultCookieAttributes',
  'advanced.ipAddress',
  'advanced.trustedProxyHeaders',
  'advanced.disableCSRFCheck',
  'advanced.disableOriginCheck'
]

for (const key of ownKeys) {
  t.test(`auth.${key} stays Gatehouse's, with a reason`, async (t) => {
    const [group = '', inner] = key.split('.')
    const problems = extensionProblems({ [group]: inner === undefined ? 'canary' : { [inner]: 'canary' } })
    t.equal(problems.length, 1)
    const [problem = ''] = problems
    t.ok(problem.startsWith(`auth.${key}: `), problem)
    t.ok(problem.length > `auth.${key}: `.length + 10, 'it says why')
    t.notMatch(problem, /canary|not known/)
  })
}

t.test('keys that are not known are refused, and names that every object has are no keys', async (t) => {
  t.same(extensionProblems({ scret: '' }), ['auth.scret: is not known'])
  t.same(extensionProblems({ constructor: {} }), ['auth.constructor: is not known'])
  t.same(extensionProblems({ advanced: { trustProxyHeaders: true } }), [
    'auth.advanced.trustProxyHeaders: is not known'
  ])
})

t.test('a mail sender is a function, given once', async (t) => {
  t.same(extensionProblems({ sendResetPassword: 'mail' }), ['auth.sendResetPassword: must be a function'])
  const send = async () => {}
  t.match(extensionProblems({ sendResetPassword: send, emailAndPassword: { sendResetPassword: send } })[0], /keep one/)
})

t.test('a plugin that was not called is recognised', async (t) => {
  t.match(extensionProblems({ plugins: [() => ({})] })[0], /auth\.plugins\[0\]: is not a BetterAuth plugin/)
  t.match(extensionProblems({ plugins: {} })[0], /must be a list/)
})
