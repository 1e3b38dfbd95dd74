import type { Auth } from '../better-auth.ts'

/** A social provider, as a button. */
export interface Provider {
  readonly id: string
  readonly name: string
}

/** What these pages can offer, which is what BetterAuth was told to allow. */
export interface Features {
  readonly passwords: boolean
  readonly signUp: boolean
  readonly resetPassword: boolean
  readonly verifyEmail: boolean
  /** Whether nobody is let in before their address is confirmed. */
  readonly confirmFirst: boolean
  readonly deleteAccount: boolean
  readonly providers: readonly Provider[]
  readonly minPasswordLength: number
  readonly maxPasswordLength: number
}

/** Reads them off the instance, so that the pages never offer what would be refused. */
export async function featuresOf(auth: Pick<Auth, '$context'>, publicSignUp: boolean): Promise<Features> {
  const { options, socialProviders, password } = await auth.$context
  const { emailAndPassword, emailVerification, user, disabledPaths = [] } = options
  const open = (path: string) => !disabledPaths.includes(path)
  const passwords = emailAndPassword?.enabled === true && open('/sign-in/email')
  return {
    passwords,
    signUp: publicSignUp && passwords && open('/sign-up/email'),
    resetPassword: passwords && emailAndPassword?.sendResetPassword !== undefined && open('/request-password-reset'),
    verifyEmail: emailVerification?.sendVerificationEmail !== undefined && open('/send-verification-email'),
    confirmFirst: emailAndPassword?.requireEmailVerification === true,
    deleteAccount: user?.deleteUser?.enabled === true && open('/delete-user'),
    providers: open('/sign-in/social') ? socialProviders.map(({ id, name }) => ({ id, name })) : [],
    minPasswordLength: password.config.minPasswordLength,
    maxPasswordLength: password.config.maxPasswordLength
  }
}
