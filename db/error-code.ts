/** The `code` of an error: an errno name such as `ENOENT`, a SQLSTATE, a library's own. Undefined where there is none. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
