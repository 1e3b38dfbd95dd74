import type { BetterAuthPlugin } from 'better-auth'
import { isRecord } from '../../db/type-guards.ts'
import type { AuthExtension } from '../policy-auth-options.ts'
import type { Mail, MailKind } from './mail-templates.ts'

/** Takes a mail and returns at once: how long a mail takes must not tell who has an account. Never throws. */
export type Deliver = (mail: Mail) => void

interface Addressee {
  readonly email: string
  readonly name: string
}

/** Senders as BetterAuth and its plugins call them, all of which hand a mail to `deliver`. */
export type Senders = ReturnType<typeof sendersTo>

export function sendersTo(deliver: Deliver) {
  const linkOf = (kind: MailKind) => async (data: { user: Addressee; url: string }) =>
    deliver({ kind, to: data.user.email, name: data.user.name, url: data.url })
  return {
    sendVerificationEmail: linkOf('verification'),
    sendResetPassword: linkOf('reset'),
    sendDeleteAccountVerification: linkOf('deleteAccount'),
    sendChangeEmailConfirmation: async (data: { user: Addressee; url: string; newEmail: string }) =>
      deliver({
        kind: 'changeEmail',
        to: data.user.email,
        name: data.user.name,
        url: data.url,
        newEmail: data.newEmail
      }),
    sendMagicLink: async ({ email, url }: { email: string; url: string }) =>
      deliver({ kind: 'magicLink', to: email, url }),
    sendVerificationOTP: async ({ email, otp }: { email: string; otp: string }) =>
      deliver({ kind: 'code', to: email, code: otp }),
    sendOTP: async ({ user, otp }: { user: Addressee; otp: string }) =>
      deliver({ kind: 'secondFactor', to: user.email, name: user.name, code: otp })
  }
}

interface MailedPlugin {
  readonly kind: MailKind
  make(senders: Senders): BetterAuthPlugin
}

const mailedPlugins = new WeakMap<BetterAuthPlugin, MailedPlugin>()
// Nobody calls it: a gateway does not start while a plugin has no sender.
const nowhere = sendersTo(() => {})

/**
 * A plugin that sends its mails, which are of this kind, by what the policy file says in `mail`:
 * `mailed('magicLink', ({ sendMagicLink }) => magicLink({ sendMagicLink }))`.
 */
export function mailed(kind: MailKind, make: MailedPlugin['make']): BetterAuthPlugin {
  const plugin = make(nowhere)
  mailedPlugins.set(plugin, { kind, make })
  return plugin
}

/** `auth` of a policy file with a sender wherever it has none of its own, all of which hand their mails to `deliver`. */
export function withSenders(extension: AuthExtension, deliver: Deliver): AuthExtension {
  const senders = sendersTo(deliver)
  const { sendResetPassword, sendVerificationEmail, sendChangeEmailConfirmation, sendDeleteAccountVerification } =
    senders
  const { user } = extension
  const missing = new Set(missingSenders(extension))
  return {
    ...extension,
    ...(missing.has('reset') && { sendResetPassword }),
    ...(missing.has('verification') && { sendVerificationEmail }),
    ...(user !== undefined && {
      user: {
        ...user,
        ...(user.changeEmail !== undefined &&
          missing.has('changeEmail') && { changeEmail: { ...user.changeEmail, sendChangeEmailConfirmation } }),
        ...(missing.has('deleteAccount') && { deleteUser: { ...user.deleteUser, sendDeleteAccountVerification } })
      }
    }),
    ...(extension.plugins !== undefined && {
      plugins: extension.plugins.map((plugin) => mailedPlugins.get(plugin)?.make(senders) ?? plugin)
    })
  }
}

/**
 * The kinds of mails that `auth` of a policy file would have sent and has no sender for. Deleting an account asks by mail
 * only where the policy file says `enabled: true` of it; otherwise it asks for the password.
 */
export function missingSenders(extension: AuthExtension): MailKind[] {
  const { emailAndPassword, emailVerification, user, plugins = [] } = extension
  const reset = extension.sendResetPassword ?? emailAndPassword?.sendResetPassword
  const verification = extension.sendVerificationEmail ?? emailVerification?.sendVerificationEmail
  const { changeEmail, deleteUser } = user ?? {}
  // Then the email-otp plugin confirms addresses by codes, and gives way to any sender of links.
  const sendsCodesToVerify = plugins.some(
    ({ options }) => isRecord(options) && options['overrideDefaultEmailVerification'] === true
  )
  const kinds: (MailKind | false)[] = [
    reset === undefined && 'reset',
    verification === undefined && !sendsCodesToVerify && 'verification',
    changeEmail?.enabled === true && changeEmail.sendChangeEmailConfirmation === undefined && 'changeEmail',
    deleteUser?.enabled === true && deleteUser.sendDeleteAccountVerification === undefined && 'deleteAccount',
    ...plugins.map((plugin) => mailedPlugins.get(plugin)?.kind ?? (false as const))
  ]
  return kinds.filter((kind) => kind !== false)
}

/** What is wrong with plugins that send by `mail` in a policy file that has none, one sentence each. */
export function unsentProblems({ plugins = [] }: Pick<AuthExtension, 'plugins'>): string[] {
  return plugins.flatMap((plugin) =>
    mailedPlugins.has(plugin) ? [`mail: is missing, and the plugin ${plugin.id} sends its mails by it`] : []
  )
}
