import { isRecord } from '../../db/type-guards.ts'
import type { Auth } from '../better-auth.ts'

/** What the pages can offer, read from BetterAuth's own options, so that they never offer what BetterAuth would refuse. */
export async function featuresOf(auth: Pick<Auth, '$context'>, publicSignUp: boolean) {
  const { options, socialProviders, password } = await auth.$context
  const { emailAndPassword, emailVerification, user, disabledPaths = [], plugins = [] } = options
  const isOpen = (path: string) => !disabledPaths.includes(path)
  const { minPasswordLength: minLength, maxPasswordLength: maxLength } = password.config
  const passwords = emailAndPassword?.enabled === true && isOpen('/sign-in/email')
  return {
    passwords,
    signUp: publicSignUp && passwords && isOpen('/sign-up/email'),
    resetPassword: passwords && emailAndPassword?.sendResetPassword !== undefined && isOpen('/request-password-reset'),
    verifyEmail: emailVerification?.sendVerificationEmail !== undefined && isOpen('/send-verification-email'),
    /** Whether an address has to be confirmed before the first sign-in. */
    confirmFirst: emailAndPassword?.requireEmailVerification === true,
    secondFactor: secondFactorOf(plugins),
    magicLink: plugins.some(({ id }) => id === 'magic-link'),
    deleteAccount: user?.deleteUser?.enabled === true && isOpen('/delete-user'),
    providers: isOpen('/sign-in/social') ? socialProviders.map(({ id, name }) => ({ id, name })) : [],
    newPassword: { minLength, maxLength, hint: `At least ${minLength} characters.` }
  }
}

/** How a second factor is asked for; undefined without BetterAuth's two-factor plugin. */
function secondFactorOf(plugins: readonly { readonly id: string; readonly options?: unknown }[]) {
  const plugin = plugins.find(({ id }) => id === 'two-factor')
  if (plugin === undefined) return undefined
  const otp = isRecord(plugin.options) ? plugin.options['otpOptions'] : undefined
  return { mailed: isRecord(otp) && otp['sendOTP'] !== undefined }
}

export type Features = Readonly<Awaited<ReturnType<typeof featuresOf>>>
