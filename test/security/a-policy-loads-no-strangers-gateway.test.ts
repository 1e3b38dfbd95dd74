import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { gatehouse } from '../src/gatehouse.ts'
import { projectFolder } from '../support/built-package.ts'

const stranger = {
  'node_modules/@gatehouse/gateway/package.json': JSON.stringify({
    name: '@gatehouse/gateway',
    version: '6.6.6',
    exports: { '.': './index.js', './other': './other.js', './package.json': './package.json' }
  }),
  'node_modules/@gatehouse/gateway/index.js': "throw new Error('canary')",
  'node_modules/@gatehouse/gateway/other.js': "throw new Error('canary')",
  'package.json': JSON.stringify({
    name: 'app',
    type: 'module',
    imports: { '#gateway': '@gatehouse/gateway', '#other': '@gatehouse/gateway/other' }
  })
}
const policy = "export default defineConfig({ routes: [{ path: '/docs', access: 'deny' }] })"

t.test('another name for the gateway gives the gateway’s own', async (t) => {
  const cwd = await projectFolder(t, {
    ...stranger,
    'gatehouse.config.ts': `import manifest from '@gatehouse/gateway/package.json' with { type: 'json' }
      import { defineConfig } from '#gateway'
      import { defineConfig as same } from './node_modules/@gatehouse/gateway/index.js'
      if (manifest.version === '6.6.6' || same !== defineConfig) throw new Error('a stranger')
      ${policy}`
  })
  const { status, stdout, stderr } = await gatehouse(['routes'], cwd)
  t.same([status, stderr], [0, ''])
  t.match(stdout, /\/docs/)
})

t.test('other files of a package of the gateway’s name are refused', async (t) => {
  const path = './node_modules/@gatehouse/gateway/other.js'
  const cwd = await projectFolder(t, stranger)
  const data = `data:text/javascript,import ${JSON.stringify(pathToFileURL(join(cwd, path)).href)}`
  for (const [specifier, sentence] of [
    ['#other', /leads to another package of the gateway's name, @gatehouse\/gateway 6\.6\.6 in /],
    [path, /leads to another package of the gateway's name, @gatehouse\/gateway 6\.6\.6 in /],
    [data, /leads to another package of the gateway's name, @gatehouse\/gateway 6\.6\.6 in /],
    ['@gatehouse/gateway/other', /it imports "@gatehouse\/gateway\/other", which the gateway does not export/]
  ] as const) {
    const folder = await projectFolder(t, {
      ...stranger,
      'gatehouse.config.ts': `import ${JSON.stringify(specifier)}\nexport default {}`
    })
    const { status, stdout, stderr } = await gatehouse(['routes'], folder)
    t.same([status, stdout], [2, ''], specifier)
    t.match(stderr, sentence)
    t.notMatch(stderr, /canary/)
  }
})
