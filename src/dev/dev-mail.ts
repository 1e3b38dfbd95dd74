import { type Deliver, missingSenders } from '../../auth/mail/mail-senders.ts'
import type { MailKind } from '../../auth/mail/mail-templates.ts'
import type { DevelopmentMail } from '../../auth/pages/development-pages.ts'
import type { AuthExtension } from '../../auth/policy-auth-options.ts'
import { isRecord } from '../../db/type-guards.ts'
import type { PolicyConfig } from '../policy-file.ts'

/** What a mail says, without when it came. */
export type Letter = Omit<DevelopmentMail, 'at'>

type Plugin = NonNullable<AuthExtension['plugins']>[number]

/** What a policy is in development. */
export interface DevMail {
  readonly auth: AuthExtension
  /** Takes the mails for which there is no sender in it; undefined where all of them go by `mail` of the policy. */
  readonly deliver: Deliver | undefined
  /** What these mails are for, in words. */
  readonly unsent: readonly string[]
}

const kinds: Readonly<Record<MailKind, { readonly subject: string; readonly what: string }>> = {
  verification: { subject: 'Confirm the address', what: 'verifications of addresses' },
  reset: { subject: 'Reset the password', what: 'password resets' },
  magicLink: { subject: 'Sign in', what: 'links to sign in' },
  code: { subject: 'A code', what: 'codes' },
  secondFactor: { subject: 'The second factor', what: 'codes for a second factor' },
  changeEmail: { subject: 'Change the address', what: 'changes of addresses' },
  deleteAccount: { subject: 'Delete the account', what: 'deletions of accounts' }
}

/**
 * Hands every mail that the policy has no sender for to `deliver`: of password resets and verifications, and of what it
 * has switched on.
 */
export async function withDevMail(
  { auth, mail }: Pick<PolicyConfig, 'auth' | 'mail'>,
  deliver: (letter: Letter) => void
): Promise<DevMail> {
  const unsent = mail === undefined ? missingSenders(auth).map((kind) => kinds[kind].what) : []
  const plugins: Plugin[] = []
  for (const plugin of auth.plugins ?? []) {
    const known = Object.hasOwn(pluginSenders, plugin.id) ? pluginSenders[plugin.id] : undefined
    const options = isRecord(plugin.options) ? plugin.options : undefined
    if (known === undefined || options === undefined || known.isSent(options)) plugins.push(plugin)
    else {
      unsent.push(known.what)
      plugins.push(await known.withSender(plugin, options, deliver))
    }
  }
  const take: Deliver = ({ kind, to, url, code }) => deliver({ to, subject: kinds[kind].subject, url, code })
  return {
    auth: auth.plugins === undefined ? auth : { ...auth, plugins },
    deliver: mail === undefined ? take : undefined,
    unsent: [...new Set(unsent)]
  }
}

interface PluginSender {
  readonly what: string
  /** Whether the policy has a sender, or sends nothing of the kind. */
  readonly isSent: (options: Record<string, unknown>) => boolean
  readonly withSender: (
    plugin: Plugin,
    options: Record<string, unknown>,
    deliver: (letter: Letter) => void
  ) => Promise<Plugin>
}

const has = (options: Record<string, unknown>, key: string) => typeof options[key] === 'function'

// For plugins that a policy file in TypeScript or JavaScript has made without a sender; those of TOML have one. They read
// their options where they send, so that one can be put beside the others; email-otp copies them, and is made anew.
const pluginSenders: Readonly<Record<string, PluginSender>> = {
  'magic-link': {
    what: kinds.magicLink.what,
    isSent: (options) => has(options, 'sendMagicLink'),
    async withSender(plugin, options, deliver) {
      options['sendMagicLink'] = async (mail: unknown) =>
        deliver({ to: textIn(mail, 'email'), subject: kinds.magicLink.subject, url: textIn(mail, 'url') })
      return plugin
    }
  },
  'email-otp': {
    what: kinds.code.what,
    isSent: (options) => has(options, 'sendVerificationOTP'),
    async withSender(plugin, options, deliver) {
      const { emailOTP } = await import('better-auth/plugins/email-otp')
      const anew = emailOTP({
        ...options,
        async sendVerificationOTP({ email, otp }) {
          deliver({ to: email, subject: kinds.code.subject, code: otp })
        }
      })
      return { ...plugin, ...anew }
    }
  },
  'two-factor': {
    what: kinds.secondFactor.what,
    // Without `otpOptions` no code is mailed.
    isSent: (options) => !isRecord(options['otpOptions']) || has(options['otpOptions'], 'sendOTP'),
    async withSender(plugin, options, deliver) {
      const otp = options['otpOptions']
      if (isRecord(otp))
        otp['sendOTP'] = async (mail: unknown) =>
          deliver({
            to: textIn(mail, 'user', 'email'),
            subject: kinds.secondFactor.subject,
            code: textIn(mail, 'otp')
          })
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

function textIn(mail: unknown, ...keys: readonly string[]): string {
  const value = keys.reduce<unknown>((inner, key) => (isRecord(inner) ? inner[key] : undefined), mail)
  return typeof value === 'string' ? value : ''
}
