import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { builtPackage, projectFolder } from '../support/built-package.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const { folder, tarball } = await builtPackage()
const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
}

t.test('the package is what the sources come to, and nothing else', async (t) => {
  const expected = ['src', 'proxy', 'auth', 'db']
    .flatMap((room) => filesIn(join(root, room)).map((file) => join(room, file)))
    .filter((file) => !file.endsWith('_snapshot.json'))
    .flatMap((file) => {
      const built = file.replace(/\.ts$/, '.js')
      const declared = file.replace(/\.([cm]?)[jt]s$/, '.d.$1ts')
      return declared === file ? [file] : [built, declared]
    })
  t.same(filesIn(folder), [...expected, 'LICENSE', 'README.md', 'package.json'].sort())
  const { stdout } = await run('tar', ['-tzf', tarball])
  const packed = stdout
    .trim()
    .split('\n')
    .map((line) => line.replace('package/', ''))
  t.same(packed.sort(), filesIn(folder), 'the tarball has the same')
  for (const file of [
    'db/migrations/0001_session_events.sql',
    'db/migrations/meta/_journal.json',
    'auth/pages/assets/pages.css'
  ])
    t.ok(packed.includes(file), file)
})

t.test('it has a package.json of its own', async (t) => {
  t.match(manifest, {
    name: '@gatehouse/gateway',
    version: own.version,
    license: own.license,
    type: 'module',
    engines: own.engines,
    bin: { gatehouse: 'src/gatehouse.js' }
  })
  t.notOk('private' in manifest || 'scripts' in manifest || 'devDependencies' in manifest)
  // npm takes no overrides from a dependency, and a range from one patch to the next would undo what was tested.
  for (const [name, version] of Object.entries({ ...own.overrides, 'better-auth': own.dependencies['better-auth'] })) {
    t.equal(manifest.dependencies[name], version)
    t.match(version, /^\d+\.\d+\.\d+$/, `${name} is exact`)
  }
})

t.test('what its modules import is among its dependencies', async (t) => {
  const missing = filesIn(folder)
    .filter((file) => /\.c?js$/.test(file) && !file.startsWith('auth/pages/assets/'))
    .flatMap((file) => {
      const code = readFileSync(join(folder, file), 'utf8').replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '')
      const found = code.matchAll(/(?:\bfrom |\bimport |\bimport\(|require\()['"]([^.'"][^'"]*)['"]/g)
      return [...found]
        .map(([, specifier = '']) => specifier)
        .filter((specifier) => !isBuiltin(specifier))
        .map((specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/'))
        .filter((name) => !Object.hasOwn(manifest.dependencies, name))
        .map((name) => `${file} imports ${name}`)
    })
  t.same(missing, [])
})

t.test('a policy is type-checked against it, with either way of finding modules', async (t) => {
  const policy = `import { defineConfig, type PolicyConfig, type RouteRule } from '@gatehouse/gateway'
import { apiKey } from '@better-auth/api-key'
import { passkey } from '@better-auth/passkey'
import { admin } from 'better-auth/plugins'

const open: RouteRule = { path: '/docs', access: 'public' }
const report: RouteRule<'reports'> = { path: '/reports/*', access: 'session', upstream: 'reports' }
const config: PolicyConfig = defineConfig({
  upstreams: { reports: 'http://127.0.0.1:8001' },
  routes: [open, report, { path: '/me', access: 'session' }],
  auth: {
    plugins: [admin(), apiKey(), passkey()],
    emailVerification: { sendVerificationEmail: async ({ user, url }) => void [user.email.length, url.length] }
  }
})
export default config
`
  const wrong = `import { defineConfig } from '@gatehouse/gateway'
export default defineConfig({
  // @ts-expect-error no such access
  routes: [{ path: '/docs', access: 'everybody' }],
  // @ts-expect-error the gateway's own
  auth: { secret: 'x' }
})
`
  const check = async (options: object): Promise<string[]> => {
    const compilerOptions = { strict: true, noEmit: true, target: 'es2023', types: [], skipLibCheck: true, ...options }
    const files = {
      'package.json': '{ "type": "module" }',
      'gatehouse.config.ts': policy,
      'wrong.ts': wrong,
      'tsconfig.json': JSON.stringify({ compilerOptions, include: ['*.ts'] })
    }
    const place = await projectFolder(t, files, { installed: true })
    // Without what tap adds to the environment of a test's processes: the compiler does not start under it.
    const compiler = ['-i', process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '-p', place]
    const { stdout } = await run('env', compiler).catch((error) => error)
    return String(stdout)
      .split('\n')
      .filter((line) => /\berror\b/.test(line))
  }
  t.same(await check({ module: 'esnext', moduleResolution: 'bundler' }), [])
  t.same(await check({ module: 'nodenext', moduleResolution: 'nodenext' }), [])
  // BetterAuth's own declarations and Drizzle's do not pass on their own: they name packages that nobody here has.
  const typeRoots = [join(root, 'node_modules/@types')]
  const all = await check({ module: 'nodenext', skipLibCheck: false, types: ['node'], typeRoots })
  t.ok(all.length > 0)
  t.same(
    all.filter((line) => line.includes('@gatehouse/gateway') || !line.includes('/node_modules/')),
    []
  )
})
