// @ts-check
// JavaScript, because it is loaded before the compile cache is on: Node's type stripper, once it has been needed for a
// single file, keeps 35 MB for as long as the process lives.
import * as nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'

// Imported by their names they would end an older Node with a stack trace, before this file could say a word.
const { enableCompileCache, registerHooks } = nodeModule
if (registerHooks === undefined || !process.features.typescript) {
  const { node } = process.versions
  const repository = !import.meta.url.includes('/node_modules/')
  const orElse = repository ? ', or run npm ci without --omit=dev, which brings one for npm start and npm run' : ''
  process.stderr.write(`Gatehouse needs Node.js 22.18 or newer, and this is ${node}: install a newer one${orElse}\n`)
  process.exit(1)
}

const drizzle = '/node_modules/drizzle-orm/'

/**
 * Where an import between two of Drizzle's own modules leads; undefined for every other. Node 24 reads and parses the
 * package.json of each `.js` module that it resolves, and Drizzle's has 178 kB: 400 ms and 200 MB of garbage for what is
 * known beforehand (docs/upstream-notes.md).
 * @param {string} specifier
 * @param {string | undefined} parentUrl
 * @returns {string | undefined}
 */
export function withinDrizzle(specifier, parentUrl) {
  if (parentUrl === undefined || !parentUrl.includes(drizzle)) return undefined
  if (!specifier.startsWith('.') || !specifier.endsWith('.js')) return undefined
  const { href } = new URL(specifier, parentUrl)
  return href.includes(drizzle) ? href : undefined
}

const root = new URL('..', import.meta.url).href
const rooms = ['src/', 'proxy/', 'auth/', 'db/'].map((room) => root + room)
const lean = new Map([
  ['node:http', new URL('node-http-subset.cjs', import.meta.url).href],
  ['undici', new URL('undici-subset.cjs', import.meta.url).href]
])

/**
 * Where an import of `node:http` or undici leads that needs only a part of it; undefined for every other, such as one of
 * the policy file. An ECMAScript import of `node:http` loads Node's own copy of undici, 15 MB, for the sake of
 * `http.WebSocket`. The undici of npm has a second `fetch`, caches and mocks beside its client: 100 ms and 10 MB.
 * @param {string} specifier
 * @param {string | undefined} parentUrl
 * @returns {string | undefined}
 */
export function leanModule(specifier, parentUrl) {
  const url = lean.get(specifier)
  if (url === undefined || parentUrl === undefined || parentUrl === url) return undefined
  const partial = specifier === 'undici' && parentUrl.includes('/node_modules/@fastify/reply-from/')
  return partial || rooms.some((room) => parentUrl.startsWith(room)) ? url : undefined
}

/**
 * Whether a resolution's conditions are those of an `import`. Node keeps these in an array, and those of a `require` in one
 * as well, or, in 22.18, in a Set.
 * @param {Iterable<string>} conditions
 * @returns {boolean}
 */
export function isImport(conditions) {
  return Array.isArray(conditions) && conditions.includes('import')
}

registerHooks({
  resolve: function resolveShorter(specifier, context, nextResolve) {
    const lean = leanModule(specifier, context.parentURL)
    if (lean !== undefined) return { url: lean, format: 'commonjs', shortCircuit: true }
    const url = isImport(context.conditions) ? withinDrizzle(specifier, context.parentURL) : undefined
    return url === undefined ? nextResolve(specifier, context) : { url, format: 'module', shortCircuit: true }
  }
})

// The cache lies beside the code that it is compiled from and is as safe as that: in the system's temporary folder
// anybody could put it. Where it cannot be written nothing is kept.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/gatehouse/compiled', import.meta.url)))
