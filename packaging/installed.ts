// Lays out what an installer would leave behind: the built gateway, and beside it the packages that it needs, at the
// versions of package-lock.json and without what never runs. The wheel and the image are made of it.
import { cp, readFile, rm } from 'node:fs/promises'
import { basename, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const root = fileURLToPath(new URL('..', import.meta.url))

const Names = z.record(z.string(), z.unknown()).default({})
const Package = z.object({
  dependencies: Names,
  peerDependencies: Names,
  peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean().default(false) })).default({})
})
const Lock = z.object({ packages: z.record(z.string(), Package) })
type Packages = z.infer<typeof Lock>['packages']

/**
 * Writes `folder`/node_modules anew: the package that was built in `npmFolder`, and from this checkout's node_modules what
 * it needs. Throws where that package is missing or needs what the lock does not have.
 */
export async function layOutInstalled(npmFolder: string, folder: string): Promise<void> {
  const { packages } = Lock.parse(JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')))
  const { dependencies } = Package.parse(JSON.parse(await readFile(join(npmFolder, 'package.json'), 'utf8')))
  await rm(folder, { recursive: true, force: true })
  for (const path of [...placesOf(Object.keys(dependencies), packages)].toSorted()) {
    const from = join(root, path)
    await cp(from, join(folder, path), { recursive: true, filter: (file) => runs(path, relative(from, file)) })
  }
  const filter = (file: string) => !/\.(?:d\.[cm]?ts|map)$/.test(file)
  await cp(npmFolder, join(folder, 'node_modules/@gatehouse/gateway'), { recursive: true, filter })
}

/** Where these packages, and all that they need in turn, are. What is optional is left out: the gateway uses none of it. */
function placesOf(names: readonly string[], packages: Packages): Set<string> {
  const places = new Set<string>()
  const visit = (name: string, from: string) => {
    const place = placeOf(name, from, packages)
    if (places.has(place)) return
    places.add(place)
    const { dependencies, peerDependencies, peerDependenciesMeta } = packages[place] ?? Package.parse({})
    const peers = Object.keys(peerDependencies).filter((peer) => peerDependenciesMeta[peer]?.optional !== true)
    for (const needed of [...Object.keys(dependencies), ...peers]) visit(needed, place)
  }
  for (const name of names) visit(name, '')
  return places
}

/** Where Node finds `name` from the package at `from`: in its own node_modules, or in those of a folder above. */
function placeOf(name: string, from: string, packages: Packages): string {
  for (let folder = from; ; folder = folder.slice(0, Math.max(folder.lastIndexOf('/node_modules/'), 0))) {
    const place = `${folder}${folder === '' ? '' : '/'}node_modules/${name}`
    if (packages[place] !== undefined) return place
    if (folder === '') throw new Error(`package-lock.json has no ${name}, which ${from || 'the package'} needs`)
  }
}

const licence = /^(?:licen[cs]e|copying|notice|authors|patents)/i
// Types and sources, maps, pages for people, and what other tools keep beside code.
const neverRuns = /\.(?:[cm]?tsx?|map|md|markdown|tsbuildinfo|flow|ya?ml|c|h|html|svg|ico|sh)$/i
const folders = /^(?:tests?|__tests__|docs?|examples?|benchmarks?|\.github|\.vscode)$/i

// What is left of the largest packages when only what an `import` of them loads is kept.
const unused: Readonly<Record<string, RegExp>> = {
  // Twins of each module for `require`, which nobody here calls.
  'node_modules/drizzle-orm': /\.cjs$/,
  'node_modules/zod': /\.cjs$|^src\//,
  // The same, and extensions of Postgres, which the embedded one is opened without.
  'node_modules/@electric-sql/pglite': /\.cjs$|\.tar\.gz$|^dist\/(?:contrib|live|worker|node-postgres)\//
}

/** Whether a file of the package at `place` has a part in running the gateway. `file` is relative; '' is the package. */
function runs(place: string, file: string): boolean {
  if (file === '') return true
  const parts = file.split(sep)
  if (parts.includes('node_modules')) return false
  if (licence.test(basename(file))) return true
  if (folders.test(parts[0] ?? '')) return false
  return !neverRuns.test(file) && unused[place]?.test(parts.join('/')) !== true
}
