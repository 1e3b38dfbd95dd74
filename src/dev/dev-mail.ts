import type { DevelopmentMail } from '../../auth/pages/development-pages.ts'
import type { AuthExtension } from '../../auth/policy-auth-options.ts'
import { isRecord } from '../../db/type-guards.ts'

/** What a mail says, without when it came. */
export type Letter = Omit<DevelopmentMail, 'at'>

type Deliver = (letter: Letter) => void
type Plugin = NonNullable<AuthExtension['plugins']>[number]

/** The policy's `auth` in development, and what it sends that the policy has no sender for, in words. */
export interface WithDevSenders {
  readonly auth: AuthExtension
  readonly unsent: readonly string[]
}

/**
 * Gives `deliver` as the sender of every mail that the policy has none for: of password resets and verifications, and of
 * what it has switched on. What is off without a sender, such as a mail before an account is deleted, stays off: a flow
 * that is there in development only would be missed later.
 */
export async function withDevSenders(auth: AuthExtension, deliver: Deliver): Promise<WithDevSenders> {
  const unsent: string[] = []
  const extended: AuthExtension = { ...auth }
  if (auth.sendResetPassword === undefined && auth.emailAndPassword?.sendResetPassword === undefined) {
    unsent.push('password resets')
    extended.sendResetPassword = async ({ user, url }) =>
      deliver({ to: user.email, subject: 'Reset the password', url })
  }
  const plugins = auth.plugins ?? []
  // The email-otp plugin may send codes in place of these links, and gives way to any sender of links.
  const sendsCodes = plugins.some((plugin) => optionsOf(plugin)?.['overrideDefaultEmailVerification'] === true)
  const { sendVerificationEmail = auth.emailVerification?.sendVerificationEmail } = auth
  if (sendVerificationEmail === undefined && !sendsCodes) {
    unsent.push('verifications of addresses')
    extended.sendVerificationEmail = async ({ user, url }) =>
      deliver({ to: user.email, subject: 'Confirm the address', url })
  }
  const withSenders: Plugin[] = []
  for (const plugin of plugins) {
    const known = Object.hasOwn(pluginSenders, plugin.id) ? pluginSenders[plugin.id] : undefined
    const options = optionsOf(plugin)
    if (known === undefined || options === undefined || known.isSent(options)) withSenders.push(plugin)
    else {
      unsent.push(known.what)
      withSenders.push(await known.withSender(plugin, options, deliver))
    }
  }
  if (auth.plugins !== undefined) extended.plugins = withSenders
  return { auth: extended, unsent }
}

interface PluginSender {
  readonly what: string
  /** Whether the policy has a sender, or sends nothing of the kind. */
  readonly isSent: (options: Record<string, unknown>) => boolean
  readonly withSender: (plugin: Plugin, options: Record<string, unknown>, deliver: Deliver) => Promise<Plugin>
}

const has = (options: Record<string, unknown>, key: string) => typeof options[key] === 'function'

// Plugins read these options where they send, so that a sender can be put beside the others; email-otp copies them, and is
// made anew.
const pluginSenders: Readonly<Record<string, PluginSender>> = {
  'magic-link': {
    what: 'links to sign in',
    isSent: (options) => has(options, 'sendMagicLink'),
    async withSender(plugin, options, deliver) {
      options['sendMagicLink'] = async (mail: unknown) =>
        deliver({ to: textIn(mail, 'email'), subject: 'Sign in', url: textIn(mail, 'url') })
      return plugin
    }
  },
  'email-otp': {
    what: 'codes by mail',
    isSent: (options) => has(options, 'sendVerificationOTP'),
    async withSender(plugin, options, deliver) {
      const { emailOTP } = await import('better-auth/plugins/email-otp')
      const anew = emailOTP({
        ...options,
        async sendVerificationOTP({ email, otp, type }) {
          deliver({ to: email, subject: otpSubjects[type] ?? 'A code', code: otp })
        }
      })
      return { ...plugin, ...anew }
    }
  },
  'two-factor': {
    what: 'codes for a second factor',
    // Without `otpOptions` no code is mailed.
    isSent: (options) => !isRecord(options['otpOptions']) || has(options['otpOptions'], 'sendOTP'),
    async withSender(plugin, options, deliver) {
      const otp = options['otpOptions']
      if (isRecord(otp))
        otp['sendOTP'] = async (mail: unknown) =>
          deliver({ to: textIn(mail, 'user', 'email'), subject: 'The second factor', code: textIn(mail, 'otp') })
      return plugin
    }
  },
  organization: {
    what: 'invitations to organizations',
    isSent: (options) => has(options, 'sendInvitationEmail'),
    async withSender(plugin, options, deliver) {
      options['sendInvitationEmail'] = async (mail: unknown) =>
        deliver({
          to: textIn(mail, 'email'),
          subject: `An invitation to ${textIn(mail, 'organization', 'name')}`,
          // The page that accepts it is the application's.
          code: textIn(mail, 'id')
        })
      return plugin
    }
  }
}

const otpSubjects: Readonly<Record<string, string>> = {
  'sign-in': 'Sign in',
  'email-verification': 'Confirm the address',
  'forget-password': 'Reset the password',
  'change-email': 'Change the address'
}

function optionsOf(plugin: Plugin): Record<string, unknown> | undefined {
  return isRecord(plugin.options) ? plugin.options : undefined
}

function textIn(mail: unknown, ...keys: readonly string[]): string {
  const value = keys.reduce<unknown>((inner, key) => (isRecord(inner) ? inner[key] : undefined), mail)
  return typeof value === 'string' ? value : ''
}
