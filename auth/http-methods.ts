/** The methods that are served; every other is answered 405. */
export const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
export type Method = (typeof methods)[number]

/** The methods that fetch a representation: pages and files are served to no other. */
export const readMethods = ['GET', 'HEAD'] as const

/** Whether a method is safe: it asks for no change (RFC 9110, section 9.2.1). */
export function isSafe(method: string): boolean {
  return isRead(method) || method === 'OPTIONS'
}

/** Whether a method is one of {@link readMethods}. */
export function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}
