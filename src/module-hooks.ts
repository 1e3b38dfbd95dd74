import { enableCompileCache, registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

// Loading modules is most of what a start takes; these hooks make it faster. Every file that is the main module of a
// process imports this one first, for its effect.

const drizzle = '/node_modules/drizzle-orm/'

/**
 * The URL that an import between two of Drizzle's own modules leads to; undefined for every other import. Node 24 reads
 * and parses the package.json of each `.js` module that it resolves, and Drizzle's has 178 kB: 400 ms and 200 MB of
 * garbage to learn that all of them are ES modules (docs/upstream-notes.md).
 */
export function withinDrizzle(specifier: string, parentUrl: string | undefined): string | undefined {
  if (parentUrl === undefined || !parentUrl.includes(drizzle)) return undefined
  if (!specifier.startsWith('.') || !specifier.endsWith('.js')) return undefined
  const { href } = new URL(specifier, parentUrl)
  return href.includes(drizzle) ? href : undefined
}

registerHooks({
  resolve: function resolveWithinDrizzle(specifier, context, nextResolve) {
    const url = context.conditions.includes('import') ? withinDrizzle(specifier, context.parentURL) : undefined
    return url === undefined ? nextResolve(specifier, context) : { url, format: 'module', shortCircuit: true }
  }
})

// The cache holds code that is run, so it stands beside the modules: in the system's temporary folder any user could
// write it. Where this folder cannot be written, Node goes on without a cache.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/gatehouse/compiled', import.meta.url)))
