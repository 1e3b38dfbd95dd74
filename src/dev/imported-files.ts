import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

/**
 * Notes which files are imported from now on, those of packages and of the gateway itself left out, files that turn out
 * to have a mistake in them included. Answers with the function that lists them.
 */
export function noteImports(): () => string[] {
  const files = new Set<string>()
  const own = new URL('../..', import.meta.url).href
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const resolved = nextResolve(specifier, context)
      const { url } = resolved
      if (url.startsWith('file:') && !url.includes('/node_modules/') && !isOwn(url, own)) files.add(fileURLToPath(url))
      return resolved
    }
  })
  return () => [...files]
}

// A policy file in the gateway's own repository is none of the gateway's modules.
function isOwn(url: string, own: string): boolean {
  return ['src/', 'proxy/', 'auth/', 'db/'].some((room) => url.startsWith(own + room))
}
