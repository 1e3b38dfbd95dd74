import type { z } from 'zod'
import type { AuthExtension } from '../../auth/policy-auth-options.ts'
import { code, flag, number, oneOf, optionsIn, secret, text, textOrVariable, texts } from './plain-options.ts'

type Providers = NonNullable<AuthExtension['socialProviders']>
type Name = keyof Providers

/** What every provider may be told. */
const common = {
  enabled: flag,
  clientId: textOrVariable,
  clientSecret: secret,
  clientKey: textOrVariable,
  scope: texts,
  disableDefaultScope: flag,
  redirectURI: text,
  authorizationEndpoint: text,
  disableIdTokenSignIn: flag,
  disableImplicitSignUp: flag,
  disableSignUp: flag,
  prompt: text,
  responseMode: oneOf('query', 'form_post'),
  overrideUserInfoOnSignIn: flag,
  requireEmailVerification: flag,
  verifyIdToken: code,
  getUserInfo: code,
  refreshAccessToken: code,
  mapProfileToUser: code
}

/** What single ones may be told beside that. */
const own: Readonly<Record<Name, Readonly<Record<string, z.ZodType>>>> = {
  apple: { appBundleIdentifier: text, audience: texts },
  atlassian: {},
  cloudflare: {},
  cognito: {
    domain: text,
    region: text,
    userPoolId: text,
    requireClientSecret: flag,
    identityProvider: text
  },
  discord: { permissions: number },
  dropbox: { accessType: oneOf('offline', 'online', 'legacy') },
  facebook: { fields: texts, configId: text },
  figma: {},
  github: {},
  gitlab: { issuer: text },
  google: {
    accessType: oneOf('offline', 'online'),
    display: oneOf('page', 'popup', 'touch', 'wap'),
    hd: text,
    includeGrantedScopes: flag
  },
  huggingface: {},
  kakao: {},
  kick: {},
  line: {},
  linear: {},
  linkedin: {},
  microsoft: {
    tenantId: text,
    authority: text,
    profilePhotoSize: number,
    disableProfilePhoto: flag,
    clientAssertion: code
  },
  naver: {},
  notion: {},
  paybin: { issuer: text },
  paypal: { environment: oneOf('sandbox', 'live'), requestShippingAddress: flag },
  polar: {},
  railway: {},
  reddit: { duration: text },
  roblox: {},
  salesforce: { environment: oneOf('sandbox', 'production'), loginUrl: text },
  slack: {},
  spotify: {},
  tiktok: {},
  twitch: { claims: texts },
  twitter: {},
  vercel: { tokenEndpointAuth: code },
  vk: {},
  wechat: { lang: oneOf('cn', 'en') },
  zoom: { pkce: flag }
}

const shapes = Object.fromEntries(
  Object.entries(own).map(([name, options]) => [name, optionsIn({ ...common, ...options })])
)

/** `auth.socialProviders` of a TOML file: BetterAuth's providers by their names, with the variables that hold their secrets. */
export const socialProviders = optionsIn(shapes)
