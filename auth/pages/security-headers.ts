import type { FastifyHelmetOptions } from '@fastify/helmet'
import { assetsPath } from './theme.ts'

/**
 * What a built-in page may do: load this gateway's own style and script, send its forms to this origin, and nothing
 * else. It runs no inline code, makes no HTML out of text, and is shown in no frame.
 */
export function pagePolicy(publicUrl: string): Record<string, string[]> {
  return {
    'default-src': ["'none'"],
    // By its folder: what else lies on this origin belongs to the upstream.
    'script-src': [publicUrl + assetsPath],
    'style-src': ["'self'"],
    'img-src': ["'self'"],
    'connect-src': ["'self'"],
    'form-action': ["'self'"],
    'base-uri': ["'none'"],
    'frame-ancestors': ["'none'"],
    'require-trusted-types-for': ["'script'"],
    'trusted-types': ["'none'"]
  }
}

/** For `@fastify/helmet`, in the scope of the pages. */
export function helmetOptions(publicUrl: string): FastifyHelmetOptions {
  return {
    contentSecurityPolicy: { useDefaults: false, directives: pagePolicy(publicUrl) },
    xFrameOptions: { action: 'deny' },
    // `no-referrer` would have browsers send `Origin: null` with our own forms; a full address holds reset tokens.
    referrerPolicy: { policy: 'strict-origin' },
    // For this host: its subdomains are somebody else's decision.
    strictTransportSecurity: publicUrl.startsWith('https:') ? { maxAge: 31_536_000, includeSubDomains: false } : false
  }
}

/** The same for a refusal that is shown as a page, outside that scope. It has no script. */
export function refusalHeaders(publicUrl: string): Record<string, string> {
  const policy = Object.entries({ ...pagePolicy(publicUrl), 'script-src': ["'none'"], 'connect-src': ["'none'"] })
  return {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': policy.map(([name, values]) => `${name} ${values.join(' ')}`).join(';'),
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'strict-origin',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY'
  }
}
