import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import t from 'tap'

const root = resolve(import.meta.dirname, '..')
// A room may import itself and what stands to the right of it.
const rooms = ['src', 'proxy', 'auth', 'db'] as const

interface Source {
  /** Relative to the repository. */
  path: string
  room: (typeof rooms)[number]
  text: string
  /** Without comments and with the contents of strings, so that only code is judged. */
  code: string
  imports: string[]
}

const sources = rooms.flatMap((room) =>
  readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file): Source => {
      const path = join(room, file)
      const text = readFileSync(join(root, path), 'utf8')
      const code = withoutComments(text)
      return { path, room, text, code, imports: importsOf(code) }
    })
)

function withoutComments(text: string): string {
  return text.replace(/^\s*\/\/.*$/gm, '').replace(/^\s*\/\*[\s\S]*?\*\/\s*$/gm, '')
}

function importsOf(code: string): string[] {
  const patterns = [
    /^(?:import|export)\b[^'"]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^import\s*['"]([^'"]+)['"]/gm,
    /\bimport\s*\(\s*['"]([^'"]+)['"]/g,
    /\brequire\s*\(\s*['"]([^'"]+)['"]/g
  ]
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? ''))
}

function targetOf(source: Source, specifier: string): string | null {
  return specifier.startsWith('.') ? relative(root, resolve(root, dirname(source.path), specifier)) : null
}

const allowedRooms = (room: Source['room']) => rooms.slice(rooms.indexOf(room))

t.test('every room is there to be judged', async (t) => {
  for (const room of rooms) t.ok(sources.filter((source) => source.room === room).length > 0, room)
  t.ok(sources.flatMap((source) => source.imports).length > sources.length, 'imports are found')
})

t.test('the scan sees every form of import', async (t) => {
  const code = `import a from 'a'\nimport type {\n  B\n} from 'b'\nimport 'c'\nexport { d } from 'd'\nconst e = await import('e')`
  t.same(importsOf(code).sort(), ['a', 'b', 'c', 'd', 'e'])
  t.same(importsOf(withoutComments(`/**\n * import x from 'x'\n */\n  // import y from 'y'\n`)), [])
})

t.test('imports go one way: src, proxy, auth, db', async (t) => {
  const broken = sources.flatMap((source) =>
    source.imports.flatMap((specifier) => {
      const target = targetOf(source, specifier)
      if (target === null) return []
      const allowed = allowedRooms(source.room).some((room) => target.startsWith(`${room}/`))
      return allowed && /\.(ts|js|json)$/.test(target) ? [] : [`${source.path} imports ${target}`]
    })
  )
  t.same(broken, [])
})

t.test('no file imports itself by way of others, types included', async (t) => {
  const targets = new Map(
    sources.map((source) => [source.path, source.imports.flatMap((specifier) => targetOf(source, specifier) ?? [])])
  )
  const reached = (from: string, seen = new Set<string>()): Set<string> => {
    for (const target of targets.get(from) ?? []) if (!seen.has(target)) reached(target, seen.add(target))
    return seen
  }
  t.same(
    [...targets.keys()].filter((path) => reached(path).has(path)),
    []
  )
})

t.test('only the process and the command line touch the process and its environment', async (t) => {
  const entrances = ['src/main.ts', 'src/cli.ts']
  const touching = sources.filter(
    ({ code, imports }) =>
      /(?<![.\w'"-])process\s*[.[]|\bimport\.meta\.env\b|\bglobalThis\.process\b/.test(code) ||
      imports.some((name) => /^(node:)?process$/.test(name))
  )
  t.same(touching.map(({ path }) => path).sort(), entrances.toSorted())
})

t.test('one file knows @fastify/http-proxy', async (t) => {
  const importers = sources.filter(({ imports }) =>
    imports.some((name) => /^@fastify\/(http-proxy|reply-from)/.test(name))
  )
  t.same(
    importers.map(({ path }) => path),
    ['proxy/proxy-plugin.ts']
  )
})

t.test('nothing is exported without a name', async (t) => {
  t.same(
    pathsWhere(({ code }) => /^export\s+default\b/m.test(code)),
    []
  )
})

t.test('the compiler is not silenced', async (t) => {
  t.same(
    pathsWhere(({ text }) => /@ts-(ignore|nocheck|expect-error)|biome-ignore-all/.test(text)),
    []
  )
})

t.test('what is imported is a production dependency', async (t) => {
  const manifest: { dependencies: Record<string, string> } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8')
  )
  const undeclared = sources.flatMap(({ path, imports }) =>
    imports
      .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
      .map((specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/'))
      .filter((name) => !Object.hasOwn(manifest.dependencies, name))
      .map((name) => `${path} imports ${name}`)
  )
  t.same(undeclared, [])
})

t.test('one file knows where the pages and BetterAuth are unless they are moved', async (t) => {
  const scripts = readdirSync(join(root, 'auth/pages/assets')).map((file) => {
    const path = join('auth/pages/assets', file)
    return { path, code: withoutComments(readFileSync(join(root, path), 'utf8')) }
  })
  const spelling = [...sources, ...scripts].filter(({ code }) => /(?<![.\w])\/(?:api\/)?auth(?![\w-])/.test(code))
  t.same(
    spelling.map(({ path }) => path),
    ['auth/own-paths.ts']
  )
})

function pathsWhere(test: (source: Source) => boolean): string[] {
  return sources.filter(test).map(({ path }) => path)
}
