import type { IncomingHttpHeaders } from 'node:http'

/**
 * Whether somebody is looking at what comes back: the browser says so (`Sec-Fetch-Mode: navigate`, `Sec-Fetch-Dest:
 * document`), or, where it says nothing of the kind, `text/html` is preferred over JSON. No upgrade is a page load.
 */
export function isPageLoad(headers: IncomingHttpHeaders): boolean {
  if (headers.upgrade !== undefined) return false
  const mode = headers['sec-fetch-mode']
  const destination = headers['sec-fetch-dest']
  if (mode !== undefined || destination !== undefined || headers['sec-fetch-site'] !== undefined)
    return mode === 'navigate' && destination === 'document'
  return prefersHtml(headers.accept)
}

function prefersHtml(accept: string | undefined): boolean {
  if (accept === undefined) return false
  const weights = weightsOf(accept)
  const html = weights.get('text/html') ?? 0
  const json = weights.get('application/json') ?? weights.get('application/problem+json')
  // A wildcard covers JSON as well, but who names HTML and wants the rest only as much as that, means HTML.
  return html > 0 && (json === undefined ? html >= (weights.get('*/*') ?? 0) : html > json)
}

// RFC 9110, section 12.5.1.
function weightsOf(accept: string): Map<string, number> {
  const weights = new Map<string, number>()
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    const weight = parameters.find((parameter) => parameter.startsWith('q='))
    const value = weight === undefined ? 1 : Number(weight.slice(2))
    weights.set(type, Number.isFinite(value) ? value : 0)
  }
  return weights
}
