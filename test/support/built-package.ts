import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { buildNpmPackage, type NpmPackage, npmPackageIn } from '../../packaging/npm-package.ts'
import { siteEnvironment } from './docusaurus.ts'
import type { Teardown } from './postgres.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
// Outside the repository, whose own node_modules would be found from below it.
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'gatehouse')

const { name, overrides }: { name: string; overrides: Record<string, string> } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8')
)
const day = 86_400_000

/** BetterAuth's plugins in packages of their own that are installed beside the gateway in tests. */
export const scopedPlugins = ['@better-auth/api-key', '@better-auth/oauth-provider', '@better-auth/passkey'] as const

/** What `npm run build` makes of this tree: once for all tests, and again when a source has changed. */
export async function builtPackage(onWork: (what: string) => void = () => {}): Promise<NpmPackage> {
  const place = join(cache, `npm-package-${await hashOfSources()}`)
  if (!existsSync(place)) {
    onWork('Building the npm package')
    await makeOnce(place, buildNpmPackage)
  }
  return npmPackageIn(place)
}

/**
 * A folder in which somebody has installed the built package and three plugins of BetterAuth, the way the documentation
 * says: once for all tests. Nothing may be changed in it.
 */
export async function installedPackage(onWork: (what: string) => void = () => {}): Promise<string> {
  const { folder, tarball } = await builtPackage(onWork)
  const place = join(cache, `npm-installed-${hashOf(await readFile(tarball))}`)
  if (existsSync(place)) return place
  const packages = await installPackages({ folder, tarball }, onWork)
  return makeOnce(place, async (half) => {
    await run('cp', ['-al', `${packages}/.`, half])
    const own = join(half, 'node_modules', name)
    await rm(own, { recursive: true })
    await cp(folder, own, { recursive: true })
    await chmod(join(own, 'src/gatehouse.js'), 0o755)
  })
}

// npm is asked again only when the package's own package.json has changed; its other files are put in afterwards.
async function installPackages({ folder, tarball }: NpmPackage, onWork: (what: string) => void): Promise<string> {
  const plugins = await Promise.all(scopedPlugins.map(withVersion))
  const manifest = await readFile(join(folder, 'package.json'), 'utf8')
  const place = join(cache, `npm-packages-${hashOf([manifest, ...plugins].join())}`)
  if (existsSync(place)) return place
  onWork('Installing the npm package')
  return makeOnce(place, async (half) => {
    const npm = (...args: string[]) =>
      run('npm', [...args, '--no-audit', '--no-fund'], { cwd: half, env: siteEnvironment })
    await writeFile(join(half, 'package.json'), '{ "name": "project", "private": true }')
    await npm('install', tarball)
    await npm('pkg', 'set', ...Object.entries(overrides).map(([name, version]) => `overrides[${name}]=${version}`))
    await npm('install', ...plugins)
  })
}

/**
 * A new folder outside the repository, removed with the test, with these files. `installed`: with the node_modules of
 * the installed package.
 */
export async function projectFolder(
  t: Teardown,
  files: Readonly<Record<string, string>>,
  { installed = false } = {}
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-project-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  if (installed) await symlink(join(await installedPackage(), 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** What `gatehouse` in a folder's `node_modules/.bin` leads to. */
export function entryIn(folder: string): string {
  return join(folder, 'node_modules/.bin/gatehouse')
}

// Half-made folders have another name, so that whoever finds one finds all of it.
async function makeOnce(place: string, make: (folder: string) => Promise<unknown>): Promise<string> {
  await mkdir(cache, { recursive: true, mode: 0o700 })
  await removeOld(basename(place).replace(/[^-]*$/, ''))
  const half = await mkdtemp(join(cache, `.${basename(place)}-`))
  try {
    await make(half)
    await utimes(half, new Date(), new Date())
    await rename(half, place)
  } catch (error) {
    await rm(half, { recursive: true, force: true })
    if (!existsSync(place)) throw error
  }
  return place
}

// Of sources that have changed since.
async function removeOld(prefix: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const path = join(cache, name)
    if (!name.startsWith(prefix) || Date.now() - statSync(path).mtimeMs < day) continue
    await rm(path, { recursive: true, force: true })
  }
}

// The versions that the gateway is tested with in the repository.
async function withVersion(name: string): Promise<string> {
  const { version }: { version: string } = JSON.parse(
    await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8')
  )
  return `${name}@${version}`
}

async function hashOfSources(): Promise<string> {
  const hash = createHash('sha256')
  const files = await Promise.all(['src', 'proxy', 'auth', 'db', 'packaging'].map(filesIn))
  for (const path of [
    ...files.flat().sort(),
    join(root, 'package.json'),
    join(root, 'tsconfig.json'),
    join(root, 'LICENSE')
  ])
    hash.update(`\0${path.slice(root.length)}\0`).update(await readFile(path))
  return hash.digest('hex').slice(0, 16)
}

function hashOf(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16)
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
