import type { BetterAuthPlugin } from 'better-auth'
import { z } from 'zod'
import { mailed } from '../../auth/mail/mail-senders.ts'
import {
  code,
  count,
  flag,
  number,
  oneOf,
  optionsIn,
  optionsOf,
  refused,
  seconds,
  secret,
  text,
  textOrVariable,
  texts
} from './plain-options.ts'

type First<F extends (...given: never) => unknown> = NonNullable<Parameters<F>[0]>
type Plugins = typeof import('better-auth/plugins')
type OptionsOf<Name extends keyof Plugins> = Plugins[Name] extends (...given: never) => unknown
  ? First<Plugins[Name]>
  : never

/** A plugin that a TOML file can switch on by its name. */
interface PlainPlugin {
  readonly options: z.ZodType
  /** Makes it with options that fit the shape. May throw what BetterAuth says against them. */
  make(options: object): Promise<BetterAuthPlugin>
}

/** Adapts a plugin's function to options that were read from a file: they have the shape, of which the compiler knows nothing. */
function plugin<Options>(options: z.ZodType, make: (options: Options) => Promise<BetterAuthPlugin>): PlainPlugin {
  return { options, make: (given) => make(given as Options) }
}

const tables = refused('is not supported: tables and columns have the names that the plugin gives them')
const rateLimit = refused('is counted by the gateway: rate_limits, at the top of the file, has limits by path')
const isHashed = oneOf('plain', 'hashed')

const plugins = {
  admin: plugin<OptionsOf<'admin'>>(
    optionsOf<OptionsOf<'admin'>>()({
      defaultRole: text,
      adminRoles: z.union([text, texts], 'must be a role, or a list of roles'),
      defaultBanReason: text,
      defaultBanExpiresIn: seconds,
      impersonationSessionDuration: seconds,
      adminUserIds: texts,
      bannedUserMessage: text,
      allowImpersonatingAdmins: flag,
      schema: tables,
      ac: code,
      roles: code
    }),
    async (options) => (await import('better-auth/plugins/admin')).admin(options)
  ),
  anonymous: plugin<OptionsOf<'anonymous'>>(
    optionsOf<OptionsOf<'anonymous'>>()({
      emailDomainName: text,
      disableDeleteAnonymousUser: flag,
      onLinkAccount: code,
      generateName: code,
      generateRandomEmail: code,
      schema: tables
    }),
    async (options) => (await import('better-auth/plugins/anonymous')).anonymous(options)
  ),
  bearer: plugin<OptionsOf<'bearer'>>(optionsOf<OptionsOf<'bearer'>>()({ requireSignature: flag }), async (options) =>
    (await import('better-auth/plugins/bearer')).bearer(options)
  ),
  captcha: plugin<OptionsOf<'captcha'>>(
    optionsIn({
      provider: oneOf('google-recaptcha', 'cloudflare-turnstile', 'hcaptcha', 'captchafox'),
      secretKey: secret,
      endpoints: texts,
      siteVerifyURLOverride: text,
      minScore: number,
      expectedAction: text,
      allowedHostnames: texts,
      siteKey: text
    }),
    async (options) => (await import('better-auth/plugins/captcha')).captcha(options)
  ),
  deviceAuthorization: plugin<OptionsOf<'deviceAuthorization'>>(
    optionsOf<OptionsOf<'deviceAuthorization'>>()({
      expiresIn: text,
      interval: text,
      deviceCodeLength: count,
      userCodeLength: count,
      verificationUri: text,
      generateDeviceCode: code,
      generateUserCode: code,
      validateClient: code,
      onDeviceAuthRequest: code,
      grant: code,
      schema: tables
    }),
    async (options) => (await import('better-auth/plugins/device-authorization')).deviceAuthorization(options)
  ),
  emailOTP: plugin<OptionsOf<'emailOTP'>>(
    optionsOf<OptionsOf<'emailOTP'>>()({
      otpLength: count,
      expiresIn: seconds,
      sendVerificationOnSignUp: flag,
      disableSignUp: flag,
      allowedAttempts: count,
      storeOTP: oneOf('hashed', 'plain', 'encrypted'),
      resendStrategy: oneOf('rotate', 'reuse'),
      changeEmail: z.strictObject({ enabled: flag.exactOptional(), verifyCurrentEmail: flag.exactOptional() }),
      overrideDefaultEmailVerification: flag,
      sendVerificationOTP: refused('is [mail], which sends the code'),
      generateOTP: code,
      rateLimit
    }),
    async (options) => {
      const { emailOTP } = await import('better-auth/plugins/email-otp')
      return mailed('code', ({ sendVerificationOTP }) => emailOTP({ ...options, sendVerificationOTP }))
    }
  ),
  haveIBeenPwned: plugin<OptionsOf<'haveIBeenPwned'>>(
    optionsOf<OptionsOf<'haveIBeenPwned'>>()({ customPasswordCompromisedMessage: text, paths: texts, enabled: flag }),
    async (options) => (await import('better-auth/plugins/haveibeenpwned')).haveIBeenPwned(options)
  ),
  jwt: plugin<OptionsOf<'jwt'>>(
    optionsOf<OptionsOf<'jwt'>>()({
      jwks: z.strictObject({
        keyPairConfig: z
          .strictObject({
            alg: oneOf('EdDSA', 'ES256', 'RS256', 'PS256', 'ES512'),
            crv: text.exactOptional(),
            modulusLength: count.exactOptional()
          })
          .exactOptional(),
        disablePrivateKeyEncryption: flag.exactOptional(),
        rotationInterval: seconds.exactOptional(),
        gracePeriod: seconds.exactOptional(),
        jwksPath: text.exactOptional(),
        remoteUrl: code.exactOptional(),
        keyPairConfigs: code.exactOptional()
      }),
      jwt: z.strictObject({
        issuer: text.exactOptional(),
        audience: z.union([text, texts], 'must be text, or a list of texts').exactOptional(),
        expirationTime: z.union([text, number], 'must be a text such as "15m", or a moment in seconds').exactOptional(),
        definePayload: code.exactOptional(),
        getSubject: code.exactOptional(),
        sign: code.exactOptional()
      }),
      disableSettingJwtHeader: flag,
      sessionCookieCache: refused('is not supported: the gateway has its own cache of sessions'),
      schema: tables,
      adapter: code
    }),
    async (options) => (await import('better-auth/plugins/jwt')).jwt(options)
  ),
  lastLoginMethod: plugin<OptionsOf<'lastLoginMethod'>>(
    optionsOf<OptionsOf<'lastLoginMethod'>>()({
      maxAge: seconds,
      storeInDatabase: flag,
      cookieName: refused("is the gateway's: it begins like those of all its cookies"),
      customResolveMethod: code,
      beforeStoreCookie: code,
      schema: tables
    }),
    async (options) => (await import('better-auth/plugins')).lastLoginMethod(options)
  ),
  magicLink: plugin<OptionsOf<'magicLink'>>(
    optionsOf<OptionsOf<'magicLink'>>()({
      expiresIn: seconds,
      allowedAttempts: count,
      disableSignUp: flag,
      storeToken: isHashed,
      sendMagicLink: refused('is [mail], which sends the link'),
      generateToken: code,
      rateLimit
    }),
    async (options) => {
      const { magicLink } = await import('better-auth/plugins/magic-link')
      return mailed('magicLink', ({ sendMagicLink }) => magicLink({ ...options, sendMagicLink }))
    }
  ),
  multiSession: plugin<OptionsOf<'multiSession'>>(
    optionsOf<OptionsOf<'multiSession'>>()({ maximumSessions: count }),
    async (options) => (await import('better-auth/plugins/multi-session')).multiSession(options)
  ),
  genericOAuth: plugin<OptionsOf<'genericOAuth'>>(
    optionsOf<OptionsOf<'genericOAuth'>>()({
      config: z.array(
        optionsOf<OptionsOf<'genericOAuth'>['config'][number]>()({
          providerId: text,
          name: text,
          discoveryUrl: text,
          requireIdTokenVerification: flag,
          authorizationUrl: text,
          tokenUrl: text,
          userInfoUrl: text,
          endSessionEndpoint: text,
          postLogoutRedirectURI: text,
          disableProviderLogout: flag,
          clientId: textOrVariable,
          clientSecret: secret,
          scopes: texts,
          redirectURI: text,
          responseType: text,
          responseMode: oneOf('query', 'form_post'),
          prompt: text,
          pkce: flag,
          accessType: text,
          accessTokenExpiresIn: seconds,
          authorizationUrlParams: z.record(z.string(), text),
          tokenUrlParams: z.record(z.string(), text),
          refreshTokenParams: z.record(z.string(), text),
          disableImplicitSignUp: flag,
          disableSignUp: flag,
          authentication: oneOf('basic', 'post'),
          overrideUserInfo: flag,
          requireEmailVerification: flag,
          allowIdpInitiated: flag,
          disableIdTokenNonceBinding: flag,
          // They may hold a token, which has no place in a file.
          discoveryHeaders: code,
          authorizationHeaders: code,
          tokenEndpointAuth: code,
          accountSubject: code,
          getToken: code,
          getUserInfo: code,
          mapProfileToUser: code
        }),
        'must be a list of providers'
      )
    }),
    async (options) => (await import('better-auth/plugins/generic-oauth')).genericOAuth(options)
  ),
  oneTap: plugin<OptionsOf<'oneTap'>>(
    optionsOf<OptionsOf<'oneTap'>>()({ disableSignup: flag, clientId: textOrVariable }),
    async (options) => (await import('better-auth/plugins/one-tap')).oneTap(options)
  ),
  oneTimeToken: plugin<OptionsOf<'oneTimeToken'>>(
    optionsOf<OptionsOf<'oneTimeToken'>>()({
      expiresIn: number,
      disableClientRequest: flag,
      disableSetSessionCookie: flag,
      storeToken: isHashed,
      setOttHeaderOnNewSession: flag,
      generateToken: code
    }),
    async (options) => (await import('better-auth/plugins/one-time-token')).oneTimeToken(options)
  ),
  openAPI: plugin<OptionsOf<'openAPI'>>(
    optionsOf<OptionsOf<'openAPI'>>()({ path: text, disableDefaultReference: flag, theme: text, nonce: code }),
    async (options) => (await import('better-auth/plugins/open-api')).openAPI(options)
  ),
  organization: plugin<OptionsOf<'organization'>>(
    optionsOf<OptionsOf<'organization'>>()({
      allowUserToCreateOrganization: flag,
      organizationLimit: count,
      creatorRole: text,
      membershipLimit: count,
      dynamicAccessControl: z.strictObject({
        enabled: flag.exactOptional(),
        maximumRolesPerOrganization: count.exactOptional()
      }),
      teams: z.strictObject({
        enabled: flag,
        defaultTeam: z.strictObject({ enabled: flag, customCreateDefaultTeam: code.exactOptional() }).exactOptional(),
        maximumTeams: count.exactOptional(),
        maximumMembersPerTeam: count.exactOptional(),
        allowRemovingAllTeams: flag.exactOptional()
      }),
      invitationExpiresIn: seconds,
      invitationLimit: count,
      cancelPendingInvitationsOnReInvite: flag,
      requireEmailVerificationOnInvitation: flag,
      disableOrganizationDeletion: flag,
      // Where an invitation leads to is a page of the application's.
      sendInvitationEmail: code,
      organizationHooks: code,
      ac: code,
      roles: code,
      schema: tables
    }),
    async (options) => (await import('better-auth/plugins/organization')).organization(options)
  ),
  twoFactor: plugin<OptionsOf<'twoFactor'>>(
    optionsOf<OptionsOf<'twoFactor'>>()({
      issuer: text,
      totpOptions: optionsOf<NonNullable<OptionsOf<'twoFactor'>['totpOptions']>>()({
        digits: z.literal([6, 8], 'must be 6 or 8'),
        period: seconds,
        allowPasswordless: flag,
        disable: flag,
        backupCodes: code
      }),
      otpOptions: optionsOf<NonNullable<OptionsOf<'twoFactor'>['otpOptions']>>()({
        period: number,
        digits: count,
        allowedAttempts: count,
        storeOTP: oneOf('plain', 'encrypted', 'hashed'),
        sendOTP: refused('is [mail], which sends the code')
      }),
      backupCodeOptions: optionsOf<NonNullable<OptionsOf<'twoFactor'>['backupCodeOptions']>>()({
        amount: count,
        length: count,
        storeBackupCodes: oneOf('plain', 'encrypted'),
        allowPasswordless: flag,
        customBackupCodesGenerate: code
      }),
      skipVerificationOnEnable: flag,
      allowPasswordless: flag,
      twoFactorCookieMaxAge: seconds,
      trustDeviceMaxAge: seconds,
      accountLockout: z.strictObject({
        enabled: flag.exactOptional(),
        maxFailedAttempts: count.exactOptional(),
        durationSeconds: seconds.exactOptional()
      }),
      twoFactorTable: tables,
      schema: tables
    }),
    async (options) => {
      const { twoFactor } = await import('better-auth/plugins/two-factor')
      const { otpOptions } = options
      // Codes are mailed only where the file has options for them: who reads the mails would otherwise have both factors.
      return otpOptions === undefined
        ? twoFactor(options)
        : mailed('secondFactor', ({ sendOTP }) => twoFactor({ ...options, otpOptions: { ...otpOptions, sendOTP } }))
    }
  ),
  username: plugin<OptionsOf<'username'>>(
    optionsOf<OptionsOf<'username'>>()({
      minUsernameLength: count,
      maxUsernameLength: count,
      usernameNormalization: z.literal(false, 'must be false, or be left out'),
      displayUsernameNormalization: z.literal(false, 'must be false, or be left out'),
      validationOrder: z.strictObject({
        username: oneOf('pre-normalization', 'post-normalization').exactOptional(),
        displayUsername: oneOf('pre-normalization', 'post-normalization').exactOptional()
      }),
      immutableUsername: flag,
      displayUsername: flag,
      usernameValidator: code,
      displayUsernameValidator: code,
      schema: tables
    }),
    async (options) => (await import('better-auth/plugins/username')).username(options)
  )
} satisfies Record<string, PlainPlugin>

export type PlainPluginName = keyof typeof plugins

/** The others of BetterAuth's, and those in packages of their own, all of which are switched on in code. */
const others = [
  'customSession',
  'oAuthProxy',
  'oauthPopup',
  'phoneNumber',
  'siwe',
  'apiKey',
  'mcp',
  'oauthProvider',
  'passkey',
  'sso',
  'stripe'
] as const
const inCode = refused('is switched on by code, which a TOML file cannot have: write the policy as gatehouse.config.ts')

/** `auth.plugins` of a TOML file once it is a table: the options of plugins by their names. */
export const pluginsShape = z
  .strictObject(
    Object.fromEntries([
      ...Object.entries(plugins).map(([name, { options }]): [string, z.ZodType] => [name, options.exactOptional()]),
      ...others.map((name): [string, z.ZodType] => [name, inCode.exactOptional()])
    ]),
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be a list of names, or a table of plugins' : undefined) }
  )
  .meta({ names: true })

/** Makes a plugin of a TOML file; undefined for a name that it has not. May throw what BetterAuth says against the options. */
export async function makePlugin(name: string, options: object): Promise<BetterAuthPlugin | undefined> {
  const known: Readonly<Record<string, PlainPlugin>> = plugins
  return Object.hasOwn(known, name) ? known[name]?.make(options) : undefined
}
