import { AsyncLocalStorage } from 'node:async_hooks'
import type { BetterAuthPlugin } from 'better-auth'
import { originOf } from './input-limits.ts'

const scope = new AsyncLocalStorage<true>()

/**
 * Runs one call of BetterAuth, whose path is below `/api/auth`. In those of the sso plugin the identity providers of the
 * policy file are trusted. Resolves and rejects as the work does.
 */
export function withIdentityProviders<T>(path: string, work: () => Promise<T>): Promise<T> {
  const isSso = path === '/sign-in/sso' || path.startsWith('/sso/')
  return isSso ? scope.run(true, work) : work()
}

/**
 * Has the sso plugin trust the addresses of identity providers of these origins, as it does those of TRUSTED_ORIGINS, and
 * nothing else: nobody is redirected there because of it, and their pages may send no requests.
 */
export function trustIdentityProviders(origins: readonly string[] = []): BetterAuthPlugin {
  const trusted = new Set(origins)
  return {
    id: 'gatehouse-identity-providers',
    init: ({ isTrustedOrigin }) => ({
      context: {
        isTrustedOrigin(address, settings) {
          if (isTrustedOrigin.call(this, address, settings)) return true
          // An address that people are redirected to comes with settings: whether it may be relative.
          return settings === undefined && scope.getStore() === true && trusted.has(originOf(address) ?? '')
        }
      }
    })
  }
}

/** What is wrong with `auth.identityProviders`, one sentence each. */
export function identityProviderProblems(origins: unknown): string[] {
  if (!Array.isArray(origins)) return ['auth.identityProviders: must be a list of origins']
  return origins.flatMap((origin: unknown, index) => {
    const url = typeof origin === 'string' ? URL.parse(origin) : null
    const isOrigin = url?.protocol === 'https:' && url.origin === origin && !url.hostname.includes('*')
    return isOrigin
      ? []
      : [`auth.identityProviders[${index}]: must be an https origin such as https://login.example.com`]
  })
}
