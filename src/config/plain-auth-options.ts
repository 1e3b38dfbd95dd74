import type { DBFieldAttribute } from 'better-auth/db'
import { z } from 'zod'
import { type AuthExtension, ownedOptions } from '../../auth/policy-auth-options.ts'
import { code, count, flag, mapOf, oneOf, optionsOf, refused, seconds, text, texts } from './plain-options.ts'
import { socialProviders } from './plain-social-providers.ts'
import { pluginsShape } from './toml-plugins.ts'

type Group<G extends keyof AuthExtension> = NonNullable<AuthExtension[G]>

/** The options of a group that are the gateway's, with its reasons. */
function ownedIn(group: keyof typeof ownedOptions.inGroups) {
  return Object.fromEntries(
    Object.entries(ownedOptions.inGroups[group]).map(([key, reason]) => [key, refused(reason).exactOptional()])
  )
}

/** A column of one's own. */
const field = optionsOf<DBFieldAttribute>()({
  type: z.union([text, texts], 'must be a type such as "string", or a list of texts'),
  required: flag,
  returned: flag,
  input: flag,
  defaultValue: z.unknown().meta({ anything: true }),
  unique: flag,
  index: flag,
  sortable: flag,
  bigint: flag,
  fieldName: text,
  references: z.strictObject({
    model: text,
    field: text,
    onDelete: oneOf('no action', 'restrict', 'cascade', 'set null', 'set default').exactOptional()
  }),
  onUpdate: code,
  transform: code,
  validator: code
})

const emailAndPassword = optionsOf<Group<'emailAndPassword'>>()({
  enabled: flag,
  requireEmailVerification: flag,
  maxPasswordLength: count,
  minPasswordLength: count,
  resetPasswordTokenExpiresIn: seconds,
  autoSignIn: flag,
  sendResetPassword: code,
  onPasswordReset: code,
  password: code,
  onExistingUserSignUp: code,
  customSyntheticUser: code
}).extend(ownedIn('emailAndPassword'))

const emailVerification = optionsOf<Group<'emailVerification'>>()({
  sendOnSignUp: flag,
  sendOnSignIn: flag,
  autoSignInAfterVerification: flag,
  expiresIn: seconds,
  sendVerificationEmail: code,
  beforeEmailVerification: code,
  afterEmailVerification: code
})

const user = optionsOf<Group<'user'>>()({
  additionalFields: mapOf(field),
  changeEmail: optionsOf<NonNullable<Group<'user'>['changeEmail']>>()({
    enabled: flag,
    updateEmailWithoutVerification: flag,
    sendChangeEmailConfirmation: code
  }),
  deleteUser: optionsOf<NonNullable<Group<'user'>['deleteUser']>>()({
    enabled: flag,
    deleteTokenExpiresIn: seconds,
    sendDeleteAccountVerification: code,
    beforeDelete: code,
    afterDelete: code
  }),
  validateUserInfo: code
}).extend(ownedIn('user'))

const session = optionsOf<Group<'session'>>()({
  additionalFields: mapOf(field),
  expiresIn: seconds,
  updateAge: seconds,
  freshAge: seconds,
  disableSessionRefresh: flag
}).extend(ownedIn('session'))

const account = optionsOf<Group<'account'>>()({
  updateAccountOnSignIn: flag,
  accountLinking: optionsOf<NonNullable<Group<'account'>['accountLinking']>>()({
    enabled: flag,
    disableImplicitLinking: flag,
    requireLocalEmailVerified: flag,
    trustedProviders: texts,
    allowDifferentEmails: flag,
    allowUnlinkingAll: flag,
    updateUserInfoOnLink: flag
  }),
  encryptOAuthTokens: flag,
  storeStateStrategy: oneOf('database', 'cookie'),
  storeAccountCookie: flag
}).extend(ownedIn('account'))

const verification = optionsOf<Group<'verification'>>()({
  disableCleanup: flag,
  storeIdentifier: oneOf('plain', 'hashed')
}).extend(ownedIn('verification'))

const advanced = optionsOf<Group<'advanced'>>()({
  database: z.strictObject({ generateId: oneOf('uuid', 'serial').exactOptional() }),
  backgroundTasks: code
}).extend(ownedIn('advanced'))

const onAPIError = optionsOf<Group<'onAPIError'>>()({
  errorURL: text,
  customizeDefaultErrorPage: refused("has no use: the gateway's own page is shown")
}).extend(ownedIn('onAPIError'))

/** `auth` of a TOML file: BetterAuth's options without those that are code, and plugins by their names. */
export const plainAuth = optionsOf<AuthExtension>()({
  appName: text,
  basePath: text,
  disabledPaths: texts,
  identityProviders: texts,
  emailAndPassword,
  emailVerification,
  socialProviders,
  user,
  session,
  account,
  verification,
  advanced,
  onAPIError,
  plugins: pluginsShape,
  databaseHooks: code,
  hooks: code,
  sendResetPassword: code,
  sendVerificationEmail: code
}).extend(
  Object.fromEntries(Object.entries(ownedOptions.atTop).map(([key, reason]) => [key, refused(reason).exactOptional()]))
)
