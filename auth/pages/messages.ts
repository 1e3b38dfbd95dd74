/** What went wrong, for the person who has to do something about it. `field`: the input that it is about. */
export interface Complaint {
  readonly text: string
  readonly field?: string
}

const complaints = {
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
  SECOND_STEP: { text: 'This account needs a second step to sign in, which this page cannot ask for.' },
  NAME_MISSING: { text: 'Enter your name.', field: 'name' },
  UNKNOWN: { text: 'That did not work. Check what you entered and try again.' }
} as const satisfies Readonly<Record<string, Complaint>>

const spelledDifferently: Readonly<Record<string, string>> = {
  USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL: 'USER_ALREADY_EXISTS',
  EMAIL_PASSWORD_SIGN_UP_DISABLED: 'SIGN_UP_DISABLED',
  SIGNUP_DISABLED: 'SIGN_UP_DISABLED',
  TOKEN_EXPIRED: 'INVALID_TOKEN',
  SESSION_NOT_FRESH: 'SESSION_EXPIRED'
}

/**
 * The sentence for one of BetterAuth's codes, those of return addresses (`?error=access_denied`) included. `otherwise`:
 * whose sentence a code gets that is not known.
 */
export function complaintAbout(code: string | undefined, otherwise: keyof typeof complaints = 'UNKNOWN'): Complaint {
  const name = (code ?? '').toUpperCase()
  const known = Object.hasOwn(spelledDifferently, name) ? spelledDifferently[name] : name
  return known !== undefined && isKnown(known) ? complaints[known] : complaints[otherwise]
}

function isKnown(name: string): name is keyof typeof complaints {
  return Object.hasOwn(complaints, name)
}

/** The sentence for too many attempts; `seconds` until the next may be made. */
export function complaintAboutLimit(seconds: number): Complaint {
  const wait = seconds > 90 ? `${Math.ceil(seconds / 60)} minutes` : seconds === 1 ? 'a second' : `${seconds} seconds`
  return { text: `There were too many attempts. Wait ${wait}, then try again.` }
}

const notices: Readonly<Record<string, string>> = {
  'signed-out': 'You are signed out.',
  ended: 'You have been signed out here. Sign in again to go on.',
  deleted: 'Your account is deleted.',
  reset: 'Your password is changed, and all devices are signed out. Sign in with the new one.',
  'reset-mail': 'If there is an account with this address, a mail with a link is on its way to it.',
  'confirm-mail': 'We have sent you a mail. Open the link in it to confirm your address, then sign in.',
  confirmed: 'Your address is confirmed. Sign in to go on.',
  'signed-up': 'Your account is there. Sign in to go on.',
  'mail-sent': 'A mail with a link is on its way to you.',
  'delete-mail': 'We have sent you a mail. Open the link in it to delete your account.',
  profile: 'Your profile is saved.',
  password: 'Your password is changed.',
  'password-revoked': 'Your password is changed, and all other devices are signed out.',
  revoked: 'That device is signed out.',
  'revoked-others': 'All other devices are signed out.'
}

/** The sentence for a `?notice=` of ours; undefined for anything else. */
export function noticeOf(name: string | undefined): string | undefined {
  return name !== undefined && Object.hasOwn(notices, name) ? notices[name] : undefined
}
