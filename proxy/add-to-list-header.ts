/**
 * Adds items to a header that is a list (RFC 9110, section 5.6.1), each once and whatever its case; `values` are the
 * header's lines as somebody else wrote them.
 */
export function addToList(values: string[], names: readonly string[]): void {
  const items = new Set(values.flatMap((value) => value.split(',')).map((item) => item.trim().toLowerCase()))
  const missing = names.filter((name) => !items.has(name.toLowerCase())).join(', ')
  if (missing === '') return
  const last = values.pop()
  values.push(last === undefined || last.trim() === '' ? missing : `${last}, ${missing}`)
}

/** Adds a header's name to `Vary`, unless it says already that every request is answered for itself (`*`). */
export function addToVary(values: string[], name: string): void {
  if (!values.some((value) => value.split(',').some((item) => item.trim() === '*'))) addToList(values, [name])
}
