/**
 * Whose secret an endpoint judges, so that wrong ones can be counted against that account:
 * - `named`: the account that the body names by its email, username or phone number;
 * - `session`: the user of the session;
 * - `pending`: the user of the session or, where there is none yet, the one whose second factor is asked for;
 * - `nobody`: the secret is all that there is, such as a mailed token. Only the client's address can be counted.
 */
export type Account = 'named' | 'session' | 'pending' | 'nobody'

/** Every path of BetterAuth and of the plugins in `better-auth/plugins` that tells whether a secret is the right one. */
export const secretEndpoints: Readonly<Record<string, Account>> = {
  '/change-password': 'session',
  '/delete-user': 'session',
  '/delete-user/callback': 'session',
  '/reset-password': 'nobody',
  '/reset-password/:token': 'nobody',
  '/sign-in/email': 'named',
  '/verify-email': 'nobody',
  '/verify-password': 'session',

  // device-authorization
  '/device': 'nobody',
  '/device/approve': 'session',
  '/device/deny': 'session',
  '/device/token': 'nobody',

  // email-otp
  '/email-otp/change-email': 'session',
  '/email-otp/check-verification-otp': 'named',
  '/email-otp/request-email-change': 'session',
  '/email-otp/reset-password': 'named',
  '/email-otp/verify-email': 'named',
  '/sign-in/email-otp': 'named',

  // magic-link
  '/magic-link/verify': 'nobody',

  // one-time-token
  '/one-time-token/verify': 'nobody',

  // phone-number
  '/phone-number/reset-password': 'named',
  '/phone-number/verify': 'named',
  '/sign-in/phone-number': 'named',

  // two-factor
  '/two-factor/disable': 'session',
  '/two-factor/enable': 'session',
  '/two-factor/generate-backup-codes': 'session',
  '/two-factor/get-totp-uri': 'session',
  '/two-factor/verify-backup-code': 'pending',
  '/two-factor/verify-otp': 'pending',
  '/two-factor/verify-totp': 'pending',

  // username
  '/sign-in/username': 'named'
}

// They mail the secret, make a new account, or trust another server's signature.
const signInsWithoutSecret = new Set(['/sign-in/anonymous', '/sign-in/magic-link', '/sign-in/social'])

/** Whose secret a path judges; undefined where it judges none, or belongs to a plugin that is not known here. */
export function accountOf(path: string): Account | undefined {
  if (Object.hasOwn(secretEndpoints, path)) return secretEndpoints[path]
  // A plugin of the policy file's own signs in like the others, by a name in the body.
  return path.startsWith('/sign-in/') && !signInsWithoutSecret.has(path) ? 'named' : undefined
}
