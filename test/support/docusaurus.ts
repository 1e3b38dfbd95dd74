import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const sources = fileURLToPath(new URL('../../examples/docusaurus', import.meta.url))
const made = new Set(['node_modules', 'build', '.docusaurus', '.docusaurus-members'])
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'gatehouse')
const run = promisify(execFile)

/** The npm and the Docusaurus of the example, without anything that asks or reports. */
export const siteEnvironment: NodeJS.ProcessEnv = {
  PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
  HOME: process.env['HOME'],
  NO_UPDATE_NOTIFIER: '1',
  DOCUSAURUS_NO_TELEMETRY: '1',
  BROWSERSLIST_IGNORE_OLD_DATA: '1',
  NO_COLOR: '1',
  ...reachingRegistry(process.env)
}

// Where a registry is behind a mirror, or behind a proxy with a certificate of its own, npm is told so by these.
function reachingRegistry(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = /^(?:NODE_EXTRA_CA_CERTS|SSL_CERT_(?:FILE|DIR)|npm_config_(?:registry|cafile)|(?:https?|no)_proxy)$/i
  return Object.fromEntries(Object.entries(env).filter(([name]) => names.test(name)))
}

/**
 * The folder of the example site, installed and built, outside the tree: once for its sources, its packages once for its
 * lock file. Rejects when npm or Docusaurus fails.
 */
export async function makeSite(onWork: (what: string) => void = () => {}): Promise<string> {
  const site = await sitePath()
  if (existsSync(site)) return site
  await mkdir(cache, { recursive: true, mode: 0o700 })
  const packages = await makePackages(onWork)
  onWork('Building the Docusaurus example')
  return makeOnce(site, async (folder) => {
    await cp(sources, folder, { recursive: true, filter: (path) => !made.has(path.slice(sources.length + 1)) })
    await symlink(join(packages, 'node_modules'), join(folder, 'node_modules'))
    await run('npm', ['run', 'build'], { cwd: folder, env: siteEnvironment })
  })
}

/** For `{ skip: await withoutSite() }`: false where it is built, what to do where it is not. With CI=true it throws. */
export async function withoutSite(): Promise<false | string> {
  if (existsSync(await sitePath())) return false
  const reason = 'the Docusaurus example is not built: node test/support/prepare.ts builds it'
  if (process.env['CI'] === 'true') throw new Error(reason)
  return reason
}

async function makePackages(onWork: (what: string) => void): Promise<string> {
  const manifests = ['package.json', 'package-lock.json']
  const folder = join(cache, `docusaurus-packages-${await hashOf(manifests)}`)
  if (existsSync(folder)) return folder
  onWork('Installing Docusaurus')
  return makeOnce(folder, async (place) => {
    for (const name of manifests) await cp(join(sources, name), join(place, name))
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: place, env: siteEnvironment })
  })
}

// Half-made folders have another name, so that whoever finds one finds all of it.
async function makeOnce(folder: string, make: (place: string) => Promise<void>): Promise<string> {
  const place = await mkdtemp(`${folder}-`)
  try {
    await make(place)
    await rename(place, folder)
  } catch (error) {
    await rm(place, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  }
  return folder
}

async function sitePath(): Promise<string> {
  const files = await readdir(sources, { recursive: true, withFileTypes: true })
  const names = files
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(sources.length + 1))
    .filter((name) => !made.has(name.split('/')[0] ?? ''))
  return join(cache, `docusaurus-site-${await hashOf(names.sort())}`)
}

async function hashOf(names: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(process.version)
  for (const name of names) hash.update(`\0${name}\0`).update(await readFile(join(sources, name)))
  return hash.digest('hex').slice(0, 16)
}
