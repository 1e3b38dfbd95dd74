import { existsSync, readFileSync } from 'node:fs'
import { createRequire, type RegisterHooksOptions, registerHooks } from 'node:module'
import { basename, dirname, extname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { codeOf } from '../db/error-code.ts'
import { isRecord } from '../db/type-guards.ts'

type Resolve = NonNullable<RegisterHooksOptions['resolve']>
type Resolved = ReturnType<Resolve>
type Context = Parameters<Resolve>[1]

/** A policy file, or a file that it imports, names a module that cannot be had. The message is for the operator. */
export class PolicyModuleError extends Error {
  override readonly name = 'PolicyModuleError'
  /** As Node's own: packages look at it to go without what is optional. */
  readonly code: string
  /** The file that has the import. */
  readonly file: string
  /** Counted from 1; undefined where the import is spelled in several parts. */
  readonly line: number | undefined

  constructor(message: string, code: string, importer: Importer) {
    super(message)
    this.code = code
    this.file = importer.file
    this.line = importer.line
  }
}

interface Importer {
  readonly file: string
  readonly line: number | undefined
}

/**
 * Imports a policy file, wherever it lies. It and all that it imports, now and later, get the gateway's own
 * `@gatehouse/gateway` and BetterAuth by their names, and other packages from the `node_modules` beside the file. Files
 * beside it that are written as modules are read as modules, whatever the package.json there says, or where there is none.
 * Throws what the file throws, and a PolicyModuleError.
 */
export async function importPolicyModule(path: string): Promise<{ default?: unknown }> {
  const { href } = pathToFileURL(path)
  begin()
  ofPolicy.add(href)
  return await import(href)
}

let begun = false

function begin(): void {
  if (!begun) registerHooks({ resolve })
  begun = true
}

// The policy file, and what was reached from it: by their URLs.
const ofPolicy = new Set<string>()

const rooms = ['src', 'proxy', 'auth', 'db'].map((room) => new URL(`../${room}/`, import.meta.url).href)
const ownPackage = '@gatehouse/gateway'
const publicApi = new URL('./public-api.ts', import.meta.url).href

// BetterAuth and its plugins tell errors by their class, and hand each other what belongs to a request through these
// packages: each plugin has to meet the very modules that the gateway's BetterAuth is made of.
const shared = ['better-auth', '@better-auth/core', 'better-call', '@better-auth/utils', '@better-fetch/fetch']
const whole = new Set(shared.slice(0, 2))
const gateway = import.meta.url
const betterAuth = import.meta.resolve('better-auth')

function resolve(specifier: string, context: Context, nextResolve: Parameters<Resolve>[2]): Resolved {
  if (specifier === ownPackage) return { url: publicApi, shortCircuit: true }
  const { parentURL = '' } = context
  const importing = [...context.conditions].includes('import')
  const anchor = anchorOf(specifier)
  const asked = ofPolicy.has(parentURL)
  try {
    if (anchor !== undefined && parentURL !== anchor) {
      if (importing) return nextResolve(specifier, { ...context, parentURL: anchor })
      return { url: pathToFileURL(createRequire(anchor).resolve(specifier)).href, shortCircuit: true }
    }
    const resolved = nextResolve(specifier, context)
    if (!asked && !ofPolicy.has(specifier)) return resolved
    // It can import files by their whole URLs.
    if (resolved.url.startsWith('data:')) ofPolicy.add(resolved.url)
    if (!resolved.url.startsWith('file:') || rooms.some((room) => resolved.url.startsWith(room))) return resolved
    refuseSecondCopy(resolved.url, specifier, parentURL)
    if (asked && isOtherGateway(resolved.url, parentURL)) {
      if (resolved.url === mainOf(resolved.url, context, nextResolve)) return { url: publicApi, shortCircuit: true }
      throw otherGateway(resolved.url, specifier, parentURL)
    }
    ofPolicy.add(resolved.url)
    return importing ? asWritten(resolved) : resolved
  } catch (error) {
    throw asked && importing && !parentURL.includes('/node_modules/') ? worded(error, specifier, parentURL) : error
  }
}

/** The module from whose place a specifier is resolved, wherever it was imported: undefined for what is nobody's own. */
function anchorOf(specifier: string): string | undefined {
  if (specifier.startsWith(`${ownPackage}/`)) return gateway
  const name = shared.find((name) => specifier === name || specifier.startsWith(`${name}/`))
  if (name === undefined) return undefined
  return name === 'better-auth' ? gateway : betterAuth
}

// Node would take a file that is written as a module for CommonJS where the nearest package.json says so, or warn that
// there is none that says otherwise.
const moduleSyntax = /^[ \t]*(?:export\b|import\b(?!\s*\())/m
const formats: Readonly<Record<string, string>> = { '.ts': 'module-typescript', '.js': 'module' }

function asWritten(resolved: Resolved): Resolved {
  const path = fileURLToPath(resolved.url)
  const format = formats[extname(path)]
  if (format === undefined || resolved.format === format || path.includes('/node_modules/')) return resolved
  return moduleSyntax.test(readFileSync(path, 'utf8')) ? { ...resolved, format } : resolved
}

interface Package {
  readonly name: string
  readonly version: string
  readonly folder: string
}

// By folder.
const packages = new Map<string, Package | undefined>()

/** The package that a file in `folder` belongs to: the nearest one with a name. */
function packageAt(folder: string): Package | undefined {
  if (packages.has(folder)) return packages.get(folder)
  const manifest = readManifest(join(folder, 'package.json'))
  const { name, version } = isRecord(manifest) ? manifest : {}
  const up = dirname(folder)
  const end = up === folder || basename(folder) === 'node_modules'
  const above = end || typeof name === 'string' ? undefined : packageAt(up)
  const found = typeof name === 'string' ? { name, version: String(version ?? 'of no version'), folder } : above
  packages.set(folder, found)
  return found
}

function readManifest(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/** Throws when a file that was not reached by the package's name belongs to a BetterAuth that is not the gateway's. */
function refuseSecondCopy(url: string, specifier: string, parentUrl: string): void {
  const { name = '', version, folder } = packageAt(dirname(fileURLToPath(url))) ?? {}
  if (!whole.has(name)) return
  const own = name === 'better-auth' ? betterAuth : pathToFileURL(createRequire(betterAuth).resolve(name)).href
  if (packageAt(dirname(fileURLToPath(own)))?.folder === folder) return
  throw new PolicyModuleError(
    `${JSON.stringify(specifier)} leads to a second copy of BetterAuth, ${name} ${version} in ${folder}, and two copies do not know each other's errors and sessions: import it by its name, which gives the gateway's own`,
    'BETTER_AUTH_TWICE',
    importerOf(specifier, parentUrl)
  )
}

/** Whether a file belongs to a package of the gateway's name that is neither the gateway nor the importing file's own. */
function isOtherGateway(url: string, parentUrl: string): boolean {
  const { name, folder } = packageOf(url) ?? {}
  return name === ownPackage && folder !== packageOf(gateway)?.folder && folder !== packageOf(parentUrl)?.folder
}

function packageOf(url: string): Package | undefined {
  return url.startsWith('file:') ? packageAt(dirname(fileURLToPath(url))) : undefined
}

/** What a package that has the gateway's name gives for its name alone; undefined where it gives nothing. */
function mainOf(url: string, context: Context, nextResolve: Parameters<Resolve>[2]): string | undefined {
  const { folder = '' } = packageOf(url) ?? {}
  try {
    return nextResolve(ownPackage, { ...context, parentURL: pathToFileURL(join(folder, 'package.json')).href }).url
  } catch {
    return undefined
  }
}

function otherGateway(url: string, specifier: string, parentUrl: string): PolicyModuleError {
  const { version = '', folder = '' } = packageOf(url) ?? {}
  return new PolicyModuleError(
    `${JSON.stringify(specifier)} leads to another package of the gateway's name, ${ownPackage} ${version} in ${folder}: import ${JSON.stringify(ownPackage)}, which gives the gateway's own`,
    'GATEWAY_TWICE',
    importerOf(specifier, parentUrl)
  )
}

function importerOf(specifier: string, url: string): Importer {
  if (!url.startsWith('file:')) return { file: url, line: undefined }
  const file = fileURLToPath(url)
  if (!existsSync(file)) return { file, line: undefined }
  const lines = readFileSync(file, 'utf8').split('\n')
  const index = lines.findIndex((line) => line.includes(`'${specifier}'`) || line.includes(`"${specifier}"`))
  return { file, line: index < 0 ? undefined : index + 1 }
}

const absent = new Set(['ERR_MODULE_NOT_FOUND', 'ERR_PACKAGE_PATH_NOT_EXPORTED', 'ERR_UNSUPPORTED_DIR_IMPORT'])

function worded(error: unknown, specifier: string, parentUrl: string): unknown {
  const code = codeOf(error) ?? ''
  if (!absent.has(code)) return error
  const importer = importerOf(specifier, parentUrl)
  return new PolicyModuleError(whyAbsent(specifier, code, importer.file), code, importer)
}

function whyAbsent(specifier: string, code: string, importer: string): string {
  const wanted = `it imports ${JSON.stringify(specifier)}`
  const folder = dirname(importer)
  if (specifier.startsWith(`${ownPackage}/`)) return `${wanted}, which the gateway does not export`
  if (anchorOf(specifier) !== undefined) {
    const version = packageAt(dirname(fileURLToPath(betterAuth)))?.version
    return `${wanted}, which the gateway's BetterAuth, ${version}, does not have`
  }
  if (/^[./]|^file:/.test(specifier)) {
    const path = specifier.startsWith('file:') ? fileURLToPath(specifier) : join(folder, specifier)
    const instead = [`${path}.ts`, path.replace(/\.[cm]?js$/, '.ts'), join(path, 'index.ts'), `${path}.js`]
    const there = instead.find((candidate) => candidate !== path && existsSync(candidate))
    return `${wanted}, and there is no such file${there === undefined ? '' : `: name it as it is, ${there}`}`
  }
  if (code !== 'ERR_MODULE_NOT_FOUND') return `${wanted}, which that package does not export`
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  return `${wanted}, and ${name} is not installed: npm install it in ${folder}`
}
