/** What went wrong with a form or a link, in words for the person who sent or opened it. */
export interface FormError {
  readonly text: string
  /** The input that it is about; undefined where it is about the whole form. */
  readonly field?: string | undefined
  /** The HTTP status of the page that shows it. */
  readonly status: number
  /** Seconds until the next attempt, after too many of them. */
  readonly retryAfter?: number
}

const errors = {
  INVALID_EMAIL_OR_PASSWORD: {
    text: 'This email address and password do not belong together. Check both and try again.'
  },
  INVALID_EMAIL: { text: 'Enter a whole email address, such as name@example.com.', field: 'email' },
  USER_ALREADY_EXISTS: { text: 'There is an account with this address already. Sign in, or use another address.' },
  PASSWORD_TOO_SHORT: { text: 'This password is too short. Use a longer one.', field: 'newPassword' },
  PASSWORD_TOO_LONG: { text: 'This password is too long. Use a shorter one.', field: 'newPassword' },
  INVALID_PASSWORD: { text: 'This is not your current password. Try again.', field: 'password' },
  EMAIL_NOT_VERIFIED: {
    text: 'Your email address is not confirmed yet. Open the link in the mail that we sent you, then sign in.'
  },
  SESSION_EXPIRED: { text: 'You signed in a while ago. Sign out, sign in again, and then come back to this.' },
  INVALID_TOKEN: { text: 'This link was used already, or it is too old. Ask for a new one.' },
  BANNED_USER: { text: 'This account is closed. Ask the people who run this site.' },
  SIGN_UP_DISABLED: { text: 'Nobody can make an account here at the moment. Ask the people who run this site.' },
  ACCESS_DENIED: { text: 'The sign-in was broken off. Try again, or sign in another way.' },
  EMAIL_NOT_FOUND: { text: 'We were not told your email address there. Sign in another way.' },
  ACCOUNT_NOT_LINKED: { text: 'This address signs in another way here. Use the way that you used before.' },
  INVALID_CODE: { text: 'This code is not right, or it is too old. Try the next one.', field: 'code' },
  TOO_LATE: { text: 'That took too long. Start again, with your address and password.' },
  TOO_MANY_CODES: { text: 'There were too many wrong codes. Start again, with your address and password.' },
  SIGN_IN_TO_GO_ON: { text: 'Sign in to your account in this browser first, then open the link again.' },
  INVALID_SIGNATURE: { text: 'That took too long. Go back to the application that sent you here, and start again.' },
  ACCOUNT_CHANGED: {
    text: 'Your account was changed at the same moment, perhaps in another window. Look at what it says now, then try again.'
  },
  NAME_MISSING: { text: 'Enter your name.', field: 'name' },
  UNKNOWN: { text: 'That did not work. Check what you entered and try again.' }
} as const satisfies Readonly<Record<string, Omit<FormError, 'status'>>>

const synonyms = new Map<string, string>([
  ['USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL', 'USER_ALREADY_EXISTS'],
  ['EMAIL_PASSWORD_SIGN_UP_DISABLED', 'SIGN_UP_DISABLED'],
  ['SIGNUP_DISABLED', 'SIGN_UP_DISABLED'],
  ['TOKEN_EXPIRED', 'INVALID_TOKEN'],
  ['SESSION_NOT_FRESH', 'SESSION_EXPIRED'],
  ['INVALID_BACKUP_CODE', 'INVALID_CODE'],
  ['OTP_HAS_EXPIRED', 'INVALID_CODE'],
  ['INVALID_TWO_FACTOR_COOKIE', 'TOO_LATE'],
  ['TOO_MANY_ATTEMPTS_REQUEST_NEW_CODE', 'TOO_MANY_CODES'],
  ['FAILED_TO_GET_USER_INFO', 'SIGN_IN_TO_GO_ON'],
  ['USER_NOT_FOUND', 'INVALID_TOKEN']
])

/**
 * The error for one of BetterAuth's codes, those in return addresses (`?error=access_denied`) included. A code that is
 * not in the table gets the text of `otherwise`.
 */
export function formError(status: number, code = '', otherwise: keyof typeof errors = 'UNKNOWN'): FormError {
  const name = synonyms.get(code.toUpperCase()) ?? code.toUpperCase()
  return { ...errors[isKnown(name) ? name : otherwise], status }
}

function isKnown(name: string): name is keyof typeof errors {
  return Object.hasOwn(errors, name)
}

/** The error after too many attempts; the next one may be made in `retryAfter` seconds. */
export function tooManyAttempts(retryAfter: number): FormError {
  const minutes = `${Math.ceil(retryAfter / 60)} minutes`
  const wait = retryAfter > 90 ? minutes : retryAfter === 1 ? 'a second' : `${retryAfter} seconds`
  return { text: `There were too many attempts. Wait ${wait}, then try again.`, status: 429, retryAfter }
}

const notices = new Map<string, string>([
  ['signed-out', 'You are signed out.'],
  ['ended', 'You have been signed out here. Sign in again to go on.'],
  ['deleted', 'Your account is deleted.'],
  ['reset', 'Your password is changed, and all devices are signed out. Sign in with the new one.'],
  ['reset-mail', 'If there is an account with this address, a mail with a link is on its way to it.'],
  ['confirm-mail', 'We have sent you a mail. Open the link in it to confirm your address, then sign in.'],
  ['confirmed', 'Your address is confirmed. Sign in to go on.'],
  ['signed-up', 'Your account is there. Sign in to go on.'],
  ['mail-sent', 'A mail with a link is on its way to you.'],
  ['code-sent', 'A mail with a code is on its way to you.'],
  ['delete-mail', 'We have sent you a mail. Open the link in it to delete your account.'],
  ['profile', 'Your profile is saved.'],
  ['password', 'Your password is changed.'],
  ['password-revoked', 'Your password is changed, and all other devices are signed out.'],
  ['revoked', 'That device is signed out.'],
  ['revoked-others', 'All other devices are signed out.']
])

/** The text for the name in a page's `?notice=`; undefined for a name that is not in the table. */
export function noticeText(name = ''): string | undefined {
  return notices.get(name)
}
