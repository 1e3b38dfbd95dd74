/** An endpoint as a page shows it: what it is for, and a call of it. They are run in this order, with one cookie jar. */
export interface Example {
  /** Method and path as BetterAuth has them. */
  readonly endpoint: string
  /** Sentences. What has to be in the policy file for it stands here. */
  readonly text: string
  /** What is sent; a POST without fields sends an empty object. */
  readonly body?: Readonly<Record<string, unknown>>
  /** Added to the path. */
  readonly query?: string
  /** What stands for the parameter of the path. */
  readonly parameter?: string
  /** Whether the cookies of whoever is signed in are sent. */
  readonly signedIn?: true
  /** Whether the answer's cookies begin a new jar. */
  readonly signsIn?: true
  /** What the `TOKEN` in the call stands for: that of the last mailed link, or of a session of the user's in another browser. */
  readonly token?: 'mailed' | 'otherSession'
  /** A mail follows. */
  readonly mails?: true
  /** What else may be sent, each with what is answered otherwise: other fields of the body. */
  readonly wrong?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** The same, once the call was made. */
  readonly again?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

const ada = { email: 'ada@example.com', password: 'a fine passphrase' }
const signUp = { name: 'Ada', ...ada }
const mailsReset = 'Needs `sendResetPassword` in the policy file.'
const mailsVerification = 'Needs `sendVerificationEmail` in the policy file.'
const provider = 'Needs `socialProviders` in the policy file.'

export const examples: readonly Example[] = [
  { endpoint: 'GET /ok', text: 'Says that BetterAuth runs. It asks no database: `/readyz` does.' },
  {
    endpoint: 'GET /error',
    text: 'The page for failures that no page of the application is named for, `onAPIError.errorURL`. With the built-in pages on it leads to the sign-in page.',
    query: '?error=access_denied'
  },
  {
    endpoint: 'POST /sign-up/email',
    text: 'Makes an account and signs it in. `PUBLIC_SIGN_UP=false` turns it off. With `emailAndPassword.requireEmailVerification` nobody is signed in, and who has an account already is answered like everybody else.',
    body: signUp,
    signsIn: true,
    wrong: { 'the password is too short': { ...signUp, password: 'short' } },
    again: { 'the address has an account': signUp }
  },
  {
    endpoint: 'GET /get-session',
    text: 'Who is signed in: the session and its user. `null` where nobody is.',
    signedIn: true
  },
  {
    endpoint: 'POST /get-session',
    text: 'Not in use: it refreshes a session where `deferSessionRefresh` is on, which Gatehouse does not allow.',
    signedIn: true
  },
  {
    endpoint: 'POST /sign-in/email',
    text: 'Signs in. Without `"rememberMe": false` the cookie stays when the browser closes. An unknown address and a wrong password are answered alike, after the same time.',
    body: ada,
    signsIn: true,
    wrong: { 'the address or the password is wrong': { ...ada, password: 'not the passphrase' } }
  },
  {
    endpoint: 'POST /update-user',
    text: "Changes the user's name or picture. The email address has `/change-email`.",
    body: { name: 'Ada Lovelace' },
    signedIn: true
  },
  {
    endpoint: 'POST /update-session',
    text: 'Changes fields that plugins or `session.additionalFields` add to the session. Without such fields there is nothing to change.',
    body: { name: 'x' },
    signedIn: true
  },
  {
    endpoint: 'POST /verify-password',
    text: "Whether a password is the user's.",
    body: { password: ada.password },
    signedIn: true,
    wrong: { 'it is not': { password: 'not the passphrase' } }
  },
  {
    endpoint: 'GET /list-sessions',
    text: "The user's sessions, that is the browsers and programs that are signed in. `token` names one for `/revoke-session`.",
    signedIn: true
  },
  {
    endpoint: 'POST /revoke-session',
    text: "Signs one of them out, at once and everywhere. One that is gone already, or is not the user's, is answered like one that was signed out.",
    body: { token: 'TOKEN' },
    signedIn: true,
    token: 'otherSession'
  },
  {
    endpoint: 'POST /revoke-other-sessions',
    text: 'Signs all of them out but the one that asks, however many there are.',
    body: {},
    signedIn: true
  },
  {
    endpoint: 'POST /change-password',
    text: 'Changes the password. With `"revokeOtherSessions": true` every other session ends, and the one that asks is replaced: the answer sets its cookie.',
    body: { currentPassword: ada.password, newPassword: 'a finer passphrase', revokeOtherSessions: true },
    signedIn: true,
    wrong: {
      'the current password is wrong': { currentPassword: 'not the passphrase', newPassword: 'a finer passphrase' },
      'the new one is too short': { currentPassword: ada.password, newPassword: 'short' }
    }
  },
  {
    endpoint: 'POST /request-password-reset',
    text: `Mails a link to choose a new password; everybody is answered alike. ${mailsReset} \`redirectTo\` is the page that the link leads to, with \`?token=\`.`,
    body: { email: ada.email, redirectTo: '/auth/reset-password' },
    mails: true,
    wrong: { 'the page is on another origin': { email: ada.email, redirectTo: 'https://evil.example/' } }
  },
  {
    endpoint: 'GET /reset-password/:token',
    text: 'The mailed link: leads on to the page that was named, with the token or with `error=INVALID_TOKEN`. It spends nothing.',
    parameter: 'TOKEN',
    query: '?callbackURL=/auth/reset-password',
    token: 'mailed'
  },
  {
    endpoint: 'POST /reset-password',
    text: 'Sets the new password, once for each token, and ends all sessions of the user.',
    body: { token: 'TOKEN', newPassword: ada.password },
    token: 'mailed',
    wrong: { 'the token is wrong, used or too old': { token: 'x', newPassword: ada.password } }
  },
  {
    endpoint: 'POST /sign-in/email',
    text: '',
    body: ada,
    signsIn: true
  },
  {
    endpoint: 'POST /send-verification-email',
    text: `Mails a link that confirms the address. ${mailsVerification}`,
    body: { email: ada.email, callbackURL: '/' },
    mails: true,
    signedIn: true
  },
  {
    endpoint: 'GET /verify-email',
    text: 'The mailed link: confirms the address and leads on to `callbackURL`, or answers with JSON where none is named.',
    query: '?token=TOKEN',
    signedIn: true,
    token: 'mailed'
  },
  {
    endpoint: 'POST /change-email',
    text: 'Changes the email address. Needs `user: { changeEmail: { enabled: true } }` and `sendVerificationEmail` in the policy file; the new address counts once its link was followed.',
    body: { newEmail: 'countess@example.com', callbackURL: '/' },
    mails: true,
    signedIn: true
  },
  {
    endpoint: 'POST /sign-in/social',
    text: `Begins signing in with a provider: the answer says where the browser has to go. ${provider}`,
    body: { provider: 'github', callbackURL: '/' },
    wrong: { 'the provider is not configured': { provider: 'gitlab', callbackURL: '/' } }
  },
  {
    endpoint: 'GET /callback/:id',
    text: `Where the provider sends the browser back to; this address is registered with the provider. Without a sign-in that began in the same browser it leads to the sign-in page.`,
    parameter: 'github',
    query: '?code=x&state=x'
  },
  {
    endpoint: 'POST /callback/:id',
    text: 'The same for providers that send the browser back with a form, such as Apple. Such a form comes from another site, so it has no cookies, and is redirected to the GET.',
    parameter: 'github',
    body: { code: 'x', state: 'x' }
  },
  {
    endpoint: 'GET /list-accounts',
    text: 'The ways in which the user can sign in: `credential` is the password.',
    signedIn: true
  },
  {
    endpoint: 'POST /link-social',
    text: `Begins adding a provider to the account of whoever is signed in. ${provider}`,
    body: { provider: 'github', callbackURL: '/' },
    signedIn: true
  },
  {
    endpoint: 'POST /unlink-account',
    text: 'Takes a way to sign in away, by the `accountId` of `/list-accounts`. The last one stays.',
    body: { accountId: 'x' },
    signedIn: true
  },
  {
    endpoint: 'POST /get-access-token',
    text: "The provider's access token of an account of the user's, refreshed where it has expired. For a server; a page has no use for it.",
    body: { accountId: 'x' },
    signedIn: true
  },
  {
    endpoint: 'POST /refresh-token',
    text: "Refreshes the provider's access token of an account of the user's.",
    body: { accountId: 'x' },
    signedIn: true
  },
  {
    endpoint: 'GET /account-info',
    text: 'What the provider says about the user.',
    query: '?accountId=x',
    signedIn: true
  },
  {
    endpoint: 'POST /revoke-sessions',
    text: 'Signs all of them out, the one that asks included.',
    body: {},
    signedIn: true
  },
  {
    endpoint: 'POST /sign-in/email',
    text: '',
    body: ada,
    signsIn: true
  },
  {
    endpoint: 'POST /delete-user',
    text: 'Deletes the account of whoever is signed in, at once. It needs the password or, for users without one, a session that is fresh. `user: { deleteUser: { enabled: false } }` turns it off, and with `sendDeleteAccountVerification` a mailed link deletes it.',
    body: { password: ada.password },
    signedIn: true,
    wrong: { 'the password is wrong': { password: 'not the passphrase' } }
  },
  {
    endpoint: 'GET /delete-user/callback',
    text: 'The mailed link of `sendDeleteAccountVerification`.',
    query: '?token=x&callbackURL=/',
    signedIn: true
  },
  {
    endpoint: 'POST /sign-out',
    text: 'Ends the session. Who is not signed in is answered alike.',
    body: {},
    signedIn: true
  }
]
