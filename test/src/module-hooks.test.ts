import { existsSync, globSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t from 'tap'
import { isImport, leanModule, withinDrizzle } from '../../src/module-hooks.js'

const drizzle = fileURLToPath(new URL('../../node_modules/drizzle-orm/', import.meta.url))

t.test("what is known beforehand about Drizzle's modules is so", async (t) => {
  t.equal(JSON.parse(readFileSync(`${drizzle}package.json`, 'utf8')).type, 'module')
  t.same(globSync('**/package.json', { cwd: drizzle }), ['package.json'], 'no folder says otherwise')
  let imports = 0
  for (const file of globSync('**/*.js', { cwd: drizzle })) {
    const url = pathToFileURL(`${drizzle}${file}`).href
    for (const [, specifier = ''] of readFileSync(`${drizzle}${file}`, 'utf8').matchAll(/ from "(\.[^"]+)"/g)) {
      imports++
      const target = withinDrizzle(specifier, url)
      if (target === undefined || !existsSync(fileURLToPath(target))) t.fail(`${file} imports ${specifier}`)
      else if (target !== import.meta.resolve(target)) t.fail(target)
    }
  }
  t.ok(imports > 500, `${imports} imports`)
})

t.test('everything else is resolved as ever', async (t) => {
  const inside = pathToFileURL(`${drizzle}pg-core/db.js`).href
  t.equal(withinDrizzle('./x.js', undefined), undefined)
  t.equal(withinDrizzle('./x.js', 'file:///app/src/main.ts'), undefined)
  t.equal(withinDrizzle('./x.js', 'file:///app/node_modules/drizzle-orm-other/index.js'), undefined)
  t.equal(withinDrizzle('pg', inside), undefined)
  t.equal(withinDrizzle('./x.cjs', inside), undefined)
  t.equal(withinDrizzle('../../pg/lib/index.js', inside), undefined)
})

t.test('an import is told from a require, on Node 22 too', async (t) => {
  t.ok(isImport(['node', 'import', 'module-sync', 'node-addons']))
  t.notOk(isImport(['require', 'node', 'node-addons', 'module-sync']))
  t.notOk(isImport(new Set(['require', 'node', 'node-addons', 'module-sync'])))
})

t.test('where a part of a module is enough, it is a part of that module', async (t) => {
  const [gateway, replyFrom] = ['proxy/proxy-plugin.ts', 'node_modules/@fastify/reply-from/lib/request.js'].map(
    (path) => new URL(`../../${path}`, import.meta.url).href
  )
  const require = createRequire(import.meta.url)
  for (const [name, url] of [
    ['undici', leanModule('undici', gateway)],
    ['node:http', leanModule('node:http', gateway)]
  ] as const) {
    const whole: object = require(name)
    const part: object = require(fileURLToPath(url ?? ''))
    for (const [key, value] of Object.entries(part)) t.equal(value, Reflect.get(whole, key), `${name}: ${key}`)
  }
  t.equal(leanModule('undici', replyFrom), leanModule('undici', gateway))
  const used = readFileSync(fileURLToPath(replyFrom ?? ''), 'utf8').matchAll(/\bundici\.([A-Z]\w+)/g)
  const have = Object.keys(require(fileURLToPath(leanModule('undici', gateway) ?? '')))
  const missing = [...used].map(([, name = '']) => name).filter((name) => !have.includes(name))
  t.same(missing, ['ProxyAgent'], 'which would need options that nobody gives')
})

t.test('a policy file and the packages that it uses have the whole module', async (t) => {
  for (const parent of ['file:///somewhere/gatehouse.config.ts', import.meta.resolve('fastify'), undefined]) {
    t.equal(leanModule('undici', parent), undefined)
    t.equal(leanModule('node:http', parent), undefined)
  }
})
