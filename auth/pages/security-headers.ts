import type { FastifyHelmetOptions } from '@fastify/helmet'

/**
 * The Content-Security-Policy of a built-in page: it may load this gateway's own style and script, send its forms to this
 * origin, and nothing else. It runs no inline code, turns no text into HTML, and is shown in no frame. `scripts`: where
 * its script may come from.
 */
function contentSecurityPolicy(scripts: string): Record<string, string[]> {
  return {
    'default-src': ["'none'"],
    'script-src': [scripts],
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

/** Options of `@fastify/helmet` for the pages. `assetsPath` has a slash at its end. */
export function helmetOptions(publicUrl: string, assetsPath: string): FastifyHelmetOptions {
  // Only the folder of the assets: the rest of this origin is served by the upstream.
  const directives = contentSecurityPolicy(publicUrl + assetsPath)
  return {
    contentSecurityPolicy: { useDefaults: false, directives },
    xFrameOptions: { action: 'deny' },
    // With `no-referrer` browsers would send `Origin: null` with the pages' own forms. A whole address can hold a token.
    referrerPolicy: { policy: 'strict-origin' },
    // Whoever runs the subdomains of this host decides about them.
    strictTransportSecurity: publicUrl.startsWith('https:') ? { maxAge: 31_536_000, includeSubDomains: false } : false
  }
}

/** The same headers for the page of a refusal, which is sent outside the pages' scope and has no script. */
export function refusalHeaders(): Record<string, string> {
  const policy = Object.entries({
    ...contentSecurityPolicy("'none'"),
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
