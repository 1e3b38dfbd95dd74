import createError from '@fastify/error'

// Where a refusal was thrown says nothing that its code does not, and finding out costs more than all the rest of it.
const refusal = (code: string, status: number) => createError(code, code, status, Error, false)

/** The refusals of the proxy, by the codes of the public contract. `src/refusals/problem.ts` puts them into words. */
export const PathAmbiguousError = refusal('PATH_AMBIGUOUS', 400)
export const RequestMalformedError = refusal('REQUEST_MALFORMED', 400)
export const HostInvalidError = refusal('HOST_INVALID', 400)
export const HostUnknownError = refusal('HOST_UNKNOWN', 421)
export const CookieAmbiguousError = refusal('COOKIE_AMBIGUOUS', 400)
export const MethodNotAllowedError = refusal('METHOD_NOT_ALLOWED', 405)
export const UpgradeUnsupportedError = refusal('UPGRADE_UNSUPPORTED', 400)
export const SessionRequiredError = refusal('SESSION_REQUIRED', 401)
export const RoleRequiredError = refusal('ROLE_REQUIRED', 403)
export const EmailUnverifiedError = refusal('EMAIL_UNVERIFIED', 403)
export const SessionNotFreshError = refusal('SESSION_NOT_FRESH', 403)
export const OriginForbiddenError = refusal('ORIGIN_FORBIDDEN', 403)
export const NotFoundError = refusal('NOT_FOUND', 404)
export const RequestTimeoutError = refusal('REQUEST_TIMEOUT', 408)
export const BodyTooLargeError = refusal('BODY_TOO_LARGE', 413)
export const UpstreamUnreachableError = refusal('UPSTREAM_UNREACHABLE', 502)
export const UpstreamFailedError = refusal('UPSTREAM_FAILED', 502)
export const UpstreamBusyError = refusal('UPSTREAM_BUSY', 503)
export const UpstreamTimeoutError = refusal('UPSTREAM_TIMEOUT', 504)
