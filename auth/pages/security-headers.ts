import type { FastifyHelmetOptions } from '@fastify/helmet'
import { assetsPath } from './theme.ts'

/**
 * The Content-Security-Policy of a built-in page: it may load this gateway's own style and script, send its forms to this
 * origin, and nothing else. It runs no inline code, turns no text into HTML, and is shown in no frame.
 */
function contentSecurityPolicy(publicUrl: string): Record<string, string[]> {
  return {
    'default-src': ["'none'"],
    // Only the folder of the assets: the rest of this origin is served by the upstream.
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

/** Options of `@fastify/helmet` for the pages. */
export function helmetOptions(publicUrl: string): FastifyHelmetOptions {
  return {
    contentSecurityPolicy: { useDefaults: false, directives: contentSecurityPolicy(publicUrl) },
    xFrameOptions: { action: 'deny' },
    // With `no-referrer` browsers would send `Origin: null` with the pages' own forms. A whole address can hold a token.
    referrerPolicy: { policy: 'strict-origin' },
    // Whoever runs the subdomains of this host decides about them.
    strictTransportSecurity: publicUrl.startsWith('https:') ? { maxAge: 31_536_000, includeSubDomains: false } : false
  }
}

/** The same headers for the page of a refusal, which is sent outside the pages' scope and has no script. */
export function refusalHeaders(publicUrl: string): Record<string, string> {
  const policy = Object.entries({
    ...contentSecurityPolicy(publicUrl),
    'script-src': ["'none'"],
    'connect-src': ["'none'"]
  })
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
