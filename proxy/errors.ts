import createError from '@fastify/error'

/** The refusals of the proxy, by the codes of the public contract. `src/problem.ts` puts them into words. */
export const PathAmbiguousError = createError('PATH_AMBIGUOUS', 'PATH_AMBIGUOUS', 400)
export const RequestMalformedError = createError('REQUEST_MALFORMED', 'REQUEST_MALFORMED', 400)
export const HostInvalidError = createError('HOST_INVALID', 'HOST_INVALID', 400)
export const HostUnknownError = createError('HOST_UNKNOWN', 'HOST_UNKNOWN', 421)
export const CookieAmbiguousError = createError('COOKIE_AMBIGUOUS', 'COOKIE_AMBIGUOUS', 400)
export const MethodNotAllowedError = createError('METHOD_NOT_ALLOWED', 'METHOD_NOT_ALLOWED', 405)
export const UpgradeUnsupportedError = createError('UPGRADE_UNSUPPORTED', 'UPGRADE_UNSUPPORTED', 400)
export const SessionRequiredError = createError('SESSION_REQUIRED', 'SESSION_REQUIRED', 401)
export const OriginForbiddenError = createError('ORIGIN_FORBIDDEN', 'ORIGIN_FORBIDDEN', 403)
export const NotFoundError = createError('NOT_FOUND', 'NOT_FOUND', 404)
export const RequestTimeoutError = createError('REQUEST_TIMEOUT', 'REQUEST_TIMEOUT', 408)
export const BodyTooLargeError = createError('BODY_TOO_LARGE', 'BODY_TOO_LARGE', 413)
export const UpstreamUnreachableError = createError('UPSTREAM_UNREACHABLE', 'UPSTREAM_UNREACHABLE', 502)
export const UpstreamFailedError = createError('UPSTREAM_FAILED', 'UPSTREAM_FAILED', 502)
export const UpstreamTimeoutError = createError('UPSTREAM_TIMEOUT', 'UPSTREAM_TIMEOUT', 504)
