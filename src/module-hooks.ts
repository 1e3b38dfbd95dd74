import { enableCompileCache, registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

/**
 * Makes what is loaded from here on load quickly, which is most of a start: imported for its effect, before all else, by
 * whatever is a process of its own.
 */

const drizzle = '/node_modules/drizzle-orm/'

/**
 * Where an import between two of Drizzle's own modules leads; undefined for every other. Node 24 reads and parses the
 * package.json of each `.js` module that it resolves, and Drizzle's has 178 kB: 400 ms and 200 MB of garbage for what is
 * known beforehand (docs/upstream-notes.md).
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

// Beside the code that it is compiled from and as safe as that: in the system's temporary folder anybody could put it.
// Where it cannot be written nothing is kept.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/gatehouse/compiled', import.meta.url)))
