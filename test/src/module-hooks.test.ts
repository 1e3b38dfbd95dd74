import { existsSync, globSync, readFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t from 'tap'
import { withinDrizzle } from '../../src/module-hooks.js'

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
