/** Where what the gateway answers itself begins on the public origin: paths without a slash at the end. */
export interface OwnPaths {
  /** BetterAuth: `auth.basePath` of the policy file. */
  readonly betterAuth: string
  /** The built-in pages: `pages.path` of the policy file. */
  readonly pages: string
}

/** Where they are unless the policy file moves them. */
export const defaultOwnPaths: OwnPaths = { betterAuth: '/api/auth', pages: '/auth' }

/**
 * What keeps a path from being one of them; undefined where it can be. They are routed literally by their canonical form,
 * in which other characters than these are encoded. `/.well-known` belongs to all of an origin (RFC 8615).
 */
export function ownPathProblem(path: unknown): string | undefined {
  if (typeof path !== 'string' || !/^(?:\/[A-Za-z0-9._~-]+)+$/.test(path))
    return 'must be an absolute path of letters, digits, ".", "_", "~" and "-", without a slash at the end, such as /account'
  const segments = path.split('/')
  if (segments.some((segment) => segment === '.' || segment === '..')) return 'must not have a dot segment'
  return segments[1] === '.well-known' ? 'must not lie under /.well-known' : undefined
}

/** Whether a path is `prefix` or below it. Both are canonical, and without a query. */
export function liesUnder(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}
