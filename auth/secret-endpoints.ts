/**
 * Whose secret an endpoint judges, so that wrong ones can be counted against that account:
 * - `named`: the account that the body names by its email, username or phone number;
 * - `session`: the user of the session;
 * - `pending`: the user of the session or, where there is none yet, the one whose second factor is asked for;
 * - `nobody`: the secret is all that there is, such as a mailed token. Only the client's address can be counted.
 */
export type Account = 'named' | 'session' | 'pending' | 'nobody'

/**
 * What every path of BetterAuth and of the plugins in `better-auth/plugins` tells: whether a secret is the right one, and
 * whose, or nothing of the kind (`plain`). What signs in by somebody else's signature is plain: nobody guesses one.
 */
export const endpoints: Readonly<Record<string, Account | 'plain'>> = {
  '/account-info': 'plain',
  '/callback/:id': 'plain',
  '/change-email': 'plain',
  '/change-password': 'session',
  '/delete-user': 'session',
  '/delete-user/callback': 'session',
  '/error': 'plain',
  '/get-access-token': 'plain',
  '/get-session': 'plain',
  '/link-social': 'plain',
  '/list-accounts': 'plain',
  '/list-sessions': 'plain',
  '/ok': 'plain',
  '/refresh-token': 'plain',
  '/request-password-reset': 'plain',
  '/reset-password': 'nobody',
  '/reset-password/:token': 'nobody',
  '/revoke-other-sessions': 'plain',
  '/revoke-session': 'plain',
  '/revoke-sessions': 'plain',
  '/send-verification-email': 'plain',
  '/sign-in/email': 'named',
  '/sign-in/social': 'plain',
  '/sign-out': 'plain',
  '/sign-up/email': 'plain',
  '/unlink-account': 'plain',
  '/update-session': 'plain',
  '/update-user': 'plain',
  '/verify-email': 'nobody',
  '/verify-password': 'session',

  // admin: whoever may use it needs no secret of the user's.
  '/admin/ban-user': 'plain',
  '/admin/create-user': 'plain',
  '/admin/get-user': 'plain',
  '/admin/has-permission': 'plain',
  '/admin/impersonate-user': 'plain',
  '/admin/list-user-sessions': 'plain',
  '/admin/list-users': 'plain',
  '/admin/remove-user': 'plain',
  '/admin/revoke-user-session': 'plain',
  '/admin/revoke-user-sessions': 'plain',
  '/admin/set-role': 'plain',
  '/admin/set-user-password': 'plain',
  '/admin/stop-impersonating': 'plain',
  '/admin/unban-user': 'plain',
  '/admin/update-user': 'plain',

  // anonymous
  '/delete-anonymous-user': 'plain',
  '/sign-in/anonymous': 'plain',

  // device-authorization
  '/device': 'nobody',
  '/device/approve': 'session',
  '/device/code': 'plain',
  '/device/deny': 'session',
  '/device/token': 'nobody',

  // email-otp
  '/email-otp/change-email': 'session',
  '/email-otp/check-verification-otp': 'named',
  '/email-otp/request-email-change': 'session',
  '/email-otp/request-password-reset': 'plain',
  '/email-otp/reset-password': 'named',
  '/email-otp/send-verification-otp': 'plain',
  '/email-otp/verify-email': 'named',
  '/forget-password/email-otp': 'plain',
  '/sign-in/email-otp': 'named',

  // jwt
  '/jwks': 'plain',
  '/token': 'plain',

  // magic-link
  '/magic-link/verify': 'nobody',
  '/sign-in/magic-link': 'plain',

  // multi-session
  '/multi-session/list-device-sessions': 'plain',
  '/multi-session/revoke': 'plain',
  '/multi-session/set-active': 'plain',

  // oauth-popup, oauth-proxy, one-tap
  '/callback/:id/oauth-proxy': 'plain',
  '/oauth-popup/start': 'plain',
  '/oauth-proxy-callback': 'plain',
  '/one-tap/callback': 'plain',

  // one-time-token
  '/one-time-token/generate': 'plain',
  '/one-time-token/verify': 'nobody',

  // open-api
  '/open-api/generate-schema': 'plain',
  '/reference': 'plain',

  // organization: an invitation is for the address that it names, and its id alone opens nothing.
  '/organization/accept-invitation': 'plain',
  '/organization/add-team-member': 'plain',
  '/organization/cancel-invitation': 'plain',
  '/organization/check-slug': 'plain',
  '/organization/create': 'plain',
  '/organization/create-role': 'plain',
  '/organization/create-team': 'plain',
  '/organization/delete': 'plain',
  '/organization/delete-role': 'plain',
  '/organization/get-active-member': 'plain',
  '/organization/get-active-member-role': 'plain',
  '/organization/get-full-organization': 'plain',
  '/organization/get-invitation': 'plain',
  '/organization/get-organization': 'plain',
  '/organization/get-role': 'plain',
  '/organization/has-permission': 'plain',
  '/organization/invite-member': 'plain',
  '/organization/leave': 'plain',
  '/organization/list': 'plain',
  '/organization/list-invitations': 'plain',
  '/organization/list-members': 'plain',
  '/organization/list-roles': 'plain',
  '/organization/list-team-members': 'plain',
  '/organization/list-teams': 'plain',
  '/organization/list-user-invitations': 'plain',
  '/organization/list-user-teams': 'plain',
  '/organization/reject-invitation': 'plain',
  '/organization/remove-member': 'plain',
  '/organization/remove-team': 'plain',
  '/organization/remove-team-member': 'plain',
  '/organization/set-active': 'plain',
  '/organization/set-active-team': 'plain',
  '/organization/update': 'plain',
  '/organization/update-member-role': 'plain',
  '/organization/update-role': 'plain',
  '/organization/update-team': 'plain',

  // phone-number
  '/phone-number/request-password-reset': 'plain',
  '/phone-number/reset-password': 'named',
  '/phone-number/send-otp': 'plain',
  '/phone-number/verify': 'named',
  '/sign-in/phone-number': 'named',

  // siwe
  '/siwe/get-nonce': 'plain',
  '/siwe/nonce': 'plain',
  '/siwe/verify': 'plain',

  // two-factor
  '/two-factor/disable': 'session',
  '/two-factor/enable': 'session',
  '/two-factor/generate-backup-codes': 'session',
  '/two-factor/get-totp-uri': 'session',
  '/two-factor/send-otp': 'plain',
  '/two-factor/verify-backup-code': 'pending',
  '/two-factor/verify-otp': 'pending',
  '/two-factor/verify-totp': 'pending',

  // username
  '/is-username-available': 'plain',
  '/sign-in/username': 'named'
}

/** Whose secret a path judges; undefined where it judges none, or belongs to a plugin that is not known here. */
export function accountOf(path: string): Account | undefined {
  const kind = Object.hasOwn(endpoints, path) ? endpoints[path] : undefined
  // A plugin of the policy file's own signs in like the others, by what has always been counted.
  if (kind === undefined) return path.startsWith('/sign-in/') ? 'named' : undefined
  return kind === 'plain' ? undefined : kind
}
