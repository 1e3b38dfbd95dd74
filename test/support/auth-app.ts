import { createAuthClient } from 'better-auth/client'
import fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { authRoutes } from '../../auth/auth-routes.ts'
import { type Auth, createAuth } from '../../auth/better-auth.ts'
import { cookiePrefix } from '../../auth/better-auth-cookie-names.ts'
import { createBetterAuthCookies } from '../../auth/better-auth-cookie-rewriting.ts'
import type { BodyLimitsByPath } from '../../auth/body-limits.ts'
import { createAuthCaller } from '../../auth/call-better-auth.ts'
import { defaultOwnPaths } from '../../auth/own-paths.ts'
import { createPasswordHashLimit } from '../../auth/password-hash-limit.ts'
import type { RateLimitsByPath } from '../../auth/path-rate-limits.ts'
import { pluginTables } from '../../auth/plugin-tables.ts'
import type { AuthExtension } from '../../auth/policy-auth-options.ts'
import { createRateLimits, type RateLimitOptions } from '../../auth/rate-limit.ts'
import { createConsumedTokens } from '../../auth/restore-consumed-tokens.ts'
import type { SessionChanges } from '../../auth/session-changes.ts'
import type { SessionLifetimes } from '../../auth/session-lifetimes.ts'
import { createCookieSigner } from '../../auth/signed-cookie.ts'
import type { Database, DatabaseOptions } from '../../db/database.ts'
import { migrate } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import type { ConcurrencyLimit } from '../../db/semaphore.ts'
import { createBetterAuthLogger } from '../../src/logging/better-auth-logger.ts'
import { createLogger } from '../../src/logging/logger.ts'
import { createErrorHandler } from '../../src/refusals/error-handler.ts'
import { makeEmbedded } from './embedded-database.ts'

const secret = 'the secret of these tests, which is long enough'

export interface AuthAppOptions {
  publicUrl?: string
  extension?: AuthExtension
  publicSignUp?: boolean
  limits?: RateLimitOptions
  rateLimits?: RateLimitsByPath
  lifetimes?: SessionLifetimes
  maxBodyBytes?: number
  bodies?: BodyLimitsByPath
  passwordHashLimit?: ConcurrencyLimit
  /** Who is told of what ends; by default it is noted. */
  changes?: SessionChanges
  /** A migrated one; by default an embedded one of its own. */
  database?: DatabaseOptions
}

export interface AuthApp {
  readonly app: FastifyInstance
  readonly auth: Auth
  readonly database: Database
  readonly publicUrl: string
  /** Everything that was logged, as text. */
  readonly logged: () => string
  readonly sessionsChanged: string[]
  readonly usersChanged: string[]
  /** What went on after an answer. */
  readonly background: Promise<void>[]
  /** Where it listens. */
  readonly address: string
}

/** `/api/auth` on a real port over a real, migrated database, closed with the test. */
export async function startAuthApp(t: Test, options: AuthAppOptions = {}): Promise<AuthApp> {
  const publicUrl = options.publicUrl ?? 'http://localhost:8080'
  const where = options.database ?? { driver: 'pglite', dataDir: await makeEmbedded(t) }
  const database = await openDatabase({ ...where, pluginTables: pluginTables(options.extension ?? {}) })
  t.teardown(() => database.close())
  if (database.additions.length > 0) await migrate(database)

  let logged = ''
  const write = (text: string) => {
    logged += text
  }
  const log = createLogger('debug', { write })
  const app = fastify({ trustProxy: true })
  t.teardown(() => app.close())
  const sessionsChanged: string[] = []
  const usersChanged: string[] = []
  const background: Promise<void>[] = []
  const basePath = options.extension?.basePath ?? defaultOwnPaths.betterAuth
  const limits = createRateLimits(options.limits, undefined, { byPath: options.rateLimits, basePath })
  const passwordHashLimit = options.passwordHashLimit ?? createPasswordHashLimit()
  const prefix = cookiePrefix(publicUrl, true)
  const consumedTokens = createConsumedTokens()
  const auth = createAuth({
    database,
    publicUrl,
    cookiePrefix: prefix,
    secret,
    trustedOrigins: [],
    publicSignUp: options.publicSignUp ?? true,
    extension: options.extension ?? {},
    lifetimes: options.lifetimes,
    limits,
    passwordHashLimit,
    consumedTokens,
    logger: createBetterAuthLogger(log),
    changes: options.changes ?? {
      sessionChanged: (token) => sessionsChanged.push(token),
      userChanged: (userId) => usersChanged.push(userId)
    },
    background: (task) => background.push(task)
  })
  app.setErrorHandler(createErrorHandler(log))
  const call = {
    auth,
    basePath,
    consumedTokens,
    cookies: createBetterAuthCookies({
      prefix,
      signer: createCookieSigner(secret),
      sessionSeconds: (await auth.$context).sessionConfig.expiresIn,
      readLiving: async () => new Set()
    }),
    limits,
    passwordHashLimit,
    log,
    background: (task: Promise<void>) => background.push(task)
  }
  await app.register(authRoutes, {
    callAuth: createAuthCaller(call),
    publicUrl,
    basePath,
    limits,
    maxBodyBytes: options.maxBodyBytes,
    bodies: options.bodies
  })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  return { app, auth, database, publicUrl, logged: () => logged, sessionsChanged, usersChanged, background, address }
}

let devices = 0

/** One browser: its own address, cookie jar and origin. `client` is BetterAuth's own, `fetch` is plain HTTP. */
export class Device {
  readonly cookies = new Map<string, string>()
  readonly ip: string
  readonly client
  readonly #target: Pick<AuthApp, 'address' | 'publicUrl'>

  constructor(target: Pick<AuthApp, 'address' | 'publicUrl'>, ip = nextAddress()) {
    this.#target = target
    this.ip = ip
    this.client = createAuthClient({
      baseURL: target.publicUrl,
      fetchOptions: { customFetchImpl: (url, init) => this.fetch(new URL(String(url)), init) }
    })
  }

  get cookieHeader(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** `path` under `/api/auth`, or a whole URL of the public origin. */
  async fetch(path: string | URL, init: RequestInit = {}): Promise<Response> {
    const url = typeof path === 'string' ? `/api/auth${path}` : path.pathname + path.search
    const headers = new Headers(init.headers)
    if (!headers.has('origin')) headers.set('origin', this.#target.publicUrl)
    headers.set('x-forwarded-for', this.ip)
    if (this.cookies.size > 0) headers.set('cookie', this.cookieHeader)
    const response = await fetch(this.#target.address + url, { ...init, headers, redirect: 'manual' })
    for (const cookie of response.headers.getSetCookie()) this.#keep(cookie)
    return response
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body)
    })
  }

  async signUp(email: string, password = 'correct horse'): Promise<string> {
    const { data, error } = await this.client.signUp.email({ email, password, name: email.split('@')[0] ?? 'nobody' })
    if (error !== null) throw new Error(`sign-up failed: ${JSON.stringify(error)}`)
    return data.user.id
  }

  #keep(cookie: string): void {
    const pair = cookie.split(';')[0] ?? ''
    const equals = pair.indexOf('=')
    const name = pair.slice(0, equals)
    if (/max-age=0/i.test(cookie)) this.cookies.delete(name)
    else this.cookies.set(name, pair.slice(equals + 1))
  }
}

function nextAddress(): string {
  devices += 1
  return `10.0.${devices >> 8}.${devices & 255}`
}
