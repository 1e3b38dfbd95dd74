import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly license: string
  readonly engines: Readonly<Record<string, string>>
  readonly bin: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly overrides: Readonly<Record<string, string>>
}

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const rooms = ['src', 'proxy', 'auth', 'db']
const manifest: Manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))

export interface NpmPackage {
  /** The package as it is published. Absolute. */
  readonly folder: string
  /** What npm packs of it: `npm install` takes its path. Absolute. */
  readonly tarball: string
}

/** Where in `dist` the package comes to be. */
export function npmPackageIn(dist: string): NpmPackage {
  return { folder: join(dist, 'npm'), tarball: join(dist, tarballName(manifest)) }
}

/**
 * Builds the npm package in a folder of its own below `dist`, and puts folder and tarball in their places when both are
 * whole. Rejects when the compiler or npm does, and when a module of the package names a file that the package lacks.
 */
export async function buildNpmPackage(dist: string): Promise<NpmPackage> {
  const built = npmPackageIn(dist)
  await mkdir(dist, { recursive: true })
  const workshop = await mkdtemp(join(dist, '.npm-'))
  const folder = join(workshop, 'package')
  try {
    await compile(folder)
    await copyOtherFiles(folder)
    await nameBuiltFiles(folder)
    const missing = await missingFiles(folder)
    if (missing.length > 0) throw new Error(`the package lacks what its modules name:\n${missing.join('\n')}`)
    await writeFile(join(folder, 'package.json'), `${JSON.stringify(publishedManifest(manifest), null, 2)}\n`)
    const readme = await readFile(join(root, 'packaging/npm-readme.md'), 'utf8')
    const overrides = Object.entries(manifest.overrides).map(([name, version]) => `'overrides[${name}]=${version}'`)
    const written = readme.replaceAll('VERSION', manifest.version).replace('OVERRIDES', overrides.join(' '))
    await writeFile(join(folder, 'README.md'), written)
    await cp(join(root, 'LICENSE'), join(folder, 'LICENSE'))
    await run('npm', ['pack', '--silent', '--pack-destination', workshop], { cwd: folder, env: environment() })
    await rm(built.folder, { recursive: true, force: true })
    await rename(folder, built.folder)
    await rename(npmPackageIn(workshop).tarball, built.tarball)
    return built
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
}

/** The package.json of what is published. The name of its tarball is npm's. */
function publishedManifest({ name, version, description, license, engines, bin, dependencies, overrides }: Manifest) {
  return {
    name,
    version,
    description,
    license,
    type: 'module',
    engines,
    bin,
    exports: {
      '.': { types: './src/public-api.d.ts', default: './src/public-api.js' },
      './package.json': './package.json'
    },
    // npm ignores the overrides of a package that is a dependency. What they pin is pinned here.
    dependencies: Object.fromEntries(Object.entries({ ...dependencies, ...overrides }).sort())
  }
}

function tarballName({ name, version }: Manifest): string {
  return `${name.replace('@', '').replace('/', '-')}-${version}.tgz`
}

// Without what a test runner or npm itself adds for the processes below it.
function environment(): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env
  return { PATH: [dirname(process.execPath), PATH].join(delimiter), HOME }
}

async function compile(folder: string): Promise<void> {
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const project = join(root, 'packaging/tsconfig.json')
  await run(process.execPath, [compiler, '-p', project, '--outDir', folder], { env: environment() }).catch((error) => {
    throw new Error(`the compiler refuses: ${String(error.stdout)}`)
  })
}

// What is read at run time by its path: migrations, style sheets, schemas. Snapshots are drizzle-kit's, for the next migration.
async function copyOtherFiles(folder: string): Promise<void> {
  for (const room of rooms) {
    for (const entry of await readdir(join(root, room), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      const target = join(folder, path.slice(root.length))
      if (!entry.isFile() || entry.name.endsWith('.ts') || entry.name.endsWith('_snapshot.json')) continue
      await mkdir(dirname(target), { recursive: true })
      if (!existsSync(target)) await cp(path, target)
    }
  }
}

const code = /\.(?:js|cjs|d\.ts)$/

async function modulesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && code.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

// The compiler gives the names of built files to imports alone, and to none in declarations. Threads are started by URLs.
async function nameBuiltFiles(folder: string): Promise<void> {
  for (const path of await modulesOf(folder)) {
    const text = await readFile(path, 'utf8')
    const named = path.endsWith('.d.ts')
      ? text.replaceAll(/((?:from |import |import\()['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2')
      : text.replaceAll(/(new URL\('\.[^']*)\.ts(', import\.meta\.url\))/g, '$1.js$2')
    if (named !== text) await writeFile(path, named)
  }
}

/** Relative imports, and URLs of files, that lead to nothing: one line each. Those with a part that is computed are not seen. */
async function missingFiles(folder: string): Promise<string[]> {
  const missing: string[] = []
  for (const path of await modulesOf(folder)) {
    const text = (await readFile(path, 'utf8')).replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '')
    for (const [, specifier = ''] of text.matchAll(
      /(?:\bfrom|\bimport|\bimport\(|require\(|new URL\() ?['"](\.[^'"]*)['"]/g
    )) {
      // The compile cache makes its folder itself.
      if (specifier.includes('node_modules')) continue
      const target = join(dirname(path), specifier)
      const typed = path.endsWith('.d.ts') ? target.replace(/\.js$/, '.d.ts') : target
      if (!existsSync(typed) && !existsSync(target)) missing.push(`${path.slice(folder.length + 1)}: ${specifier}`)
    }
  }
  return missing
}
