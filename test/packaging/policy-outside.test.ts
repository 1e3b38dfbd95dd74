import { join } from 'node:path'
import t from 'tap'
import { gatehouse } from '../src/gatehouse.ts'
import { entryIn, installedPackage, projectFolder } from '../support/built-package.ts'

const entries = [
  ['src', undefined],
  ['the installed package', entryIn(await installedPackage())]
] as const

const manifests = {
  'no package.json': undefined,
  'a package.json without a type': '{}',
  'type: commonjs': '{ "type": "commonjs" }',
  'type: module': '{ "type": "module" }'
}

const decoy = (name: string) => ({
  [`node_modules/${name}/package.json`]: JSON.stringify({
    name,
    version: '0.0.1',
    exports: { './*': './index.js', '.': './index.js' }
  }),
  [`node_modules/${name}/index.js`]: `throw new Error('another ${name} was loaded')`
})

// Beside the policy: other copies of what the gateway has, a mailer, and a plugin that asks for BetterAuth by its name.
const packages = {
  ...decoy('better-auth'),
  ...decoy('@better-auth/core'),
  ...decoy('better-call'),
  ...decoy('@gatehouse/gateway'),
  'node_modules/mailer/package.json': '{ "name": "mailer", "version": "1.0.0" }',
  'node_modules/mailer/index.js': "exports.sender = 'house@example.org'",
  'node_modules/plugin/package.json':
    '{ "name": "plugin", "version": "1.0.0", "type": "module", "exports": "./index.js" }',
  'node_modules/plugin/index.js': `import { APIError } from 'better-auth/api'
    import { runWithTransaction } from '@better-auth/core/context'
    export const plugin = () => ({ id: 'plugin', APIError, runWithTransaction })`
}

const policy = `import { runWithTransaction } from '@better-auth/core/context'
import { defineConfig } from '@gatehouse/gateway'
import { APIError } from 'better-auth/api'
import { admin } from 'better-auth/plugins/admin'
import { sender } from 'mailer'
import { plugin } from 'plugin'
import { routes } from './policy/rules.ts'

const own = plugin()
if (own.APIError !== APIError || own.runWithTransaction !== runWithTransaction) throw new Error('two copies')
if (sender !== 'house@example.org') throw new Error('another mailer')
export default defineConfig({ routes, auth: { plugins: [admin(), own] } })
`
const rules = `import type { RouteRule } from '@gatehouse/gateway'
export const routes: RouteRule[] = [{ path: '/far/away', access: 'session', roles: ['admin'] }]
`

for (const [where, entry] of entries) {
  t.test(`a policy outside the gateway's folder, read by ${where}`, async (t) => {
    for (const [kind, manifest] of Object.entries(manifests)) {
      for (const name of [
        'gatehouse.config.ts',
        'gatehouse.config.mts',
        'gatehouse.config.js',
        'gatehouse.config.mjs'
      ]) {
        const files = {
          ...packages,
          [name]: policy,
          'policy/rules.ts': rules,
          ...(manifest !== undefined && { 'package.json': manifest })
        }
        const cwd = await projectFolder(t, files)
        const { status, stdout, stderr } = await gatehouse(['routes'], cwd, { GATEHOUSE_CONFIG: name }, entry)
        t.equal(stderr, '', `${kind}, ${name}: no warning and no error`)
        t.equal(status, 0)
        t.match(stdout, /^session +any +\/far\/away +whoever is signed in \(role admin\)$/m)
      }
    }
  })
}

t.test('a policy file in CommonJS can be read where the folder is CommonJS', async (t) => {
  const cwd = await projectFolder(t, {
    'package.json': '{ "type": "commonjs" }',
    'gatehouse.config.js': "module.exports = { routes: [{ path: '/docs', access: 'public' }] }"
  })
  const { status, stdout, stderr } = await gatehouse(['routes'], cwd, { GATEHOUSE_CONFIG: 'gatehouse.config.js' })
  t.same([status, stderr], [0, ''])
  t.match(stdout, /^public +any +\/docs /m)
})

const head = "import { defineConfig } from '@gatehouse/gateway'\n"
const broken: [what: string, text: string, sentence: string | RegExp][] = [
  [
    'a package that is not installed',
    `${head}import mailer from 'nodemailer/lib/mailer'`,
    'POLICY:2: cannot be imported: it imports "nodemailer/lib/mailer", and nodemailer is not installed: npm install it in FOLDER'
  ],
  [
    'a file without its ending',
    `${head}\nimport { rules } from './rules'`,
    'POLICY:3: cannot be imported: it imports "./rules", and there is no such file: name it as it is, FOLDER/rules.ts'
  ],
  [
    'a file that imports what is not there',
    "import './broken.ts'",
    'POLICY: cannot be imported: broken.ts:2: it imports "./none.ts", and there is no such file'
  ],
  [
    "what the gateway's BetterAuth does not have",
    "import { x } from 'better-auth/plugins/telepathy'",
    /^POLICY:1: cannot be imported: it imports "better-auth\/plugins\/telepathy", which the gateway's BetterAuth, [\d.]+, does not have$/
  ],
  [
    'a second copy of BetterAuth by its path',
    `${head}import './vendor/auth/index.mjs'`,
    /^POLICY:2: cannot be imported: "\.\/vendor\/auth\/index\.mjs" leads to a second copy of BetterAuth, better-auth 1\.0\.0 in FOLDER\/vendor\/auth, .*: import it by its name, which gives the gateway's own$/
  ],
  [
    'an error of its own',
    `${head}\nthrow new RangeError('no mailer')`,
    'POLICY:3: cannot be imported: RangeError: no mailer'
  ],
  ['a syntax error', `${head}\nexport default {{`, /^POLICY:3: cannot be imported: SyntaxError: /],
  [
    'TypeScript that is more than types',
    `${head}\nenum Kind { Open }\nexport default {}`,
    /^POLICY:3: cannot be imported: SyntaxError: TypeScript enum is not supported in strip-only mode; .* a union for an enum/
  ]
]

for (const [what, text, sentence] of broken) {
  t.test(`a policy file with ${what} is one sentence`, async (t) => {
    const cwd = await projectFolder(t, {
      'gatehouse.config.ts': text,
      'rules.ts': 'export const rules: string[] = []',
      'broken.ts': "export {}\nimport './none.ts'",
      'vendor/auth/package.json': '{ "name": "better-auth", "version": "1.0.0" }',
      'vendor/auth/index.mjs': 'export {}'
    })
    const { status, stdout, stderr } = await gatehouse(['routes'], cwd)
    t.same([status, stdout], [2, ''])
    const said = stderr.trimEnd().replaceAll(join(cwd, 'gatehouse.config.ts'), 'POLICY').replaceAll(cwd, 'FOLDER')
    if (typeof sentence === 'string') t.equal(said, sentence)
    else t.match(said, sentence)
    t.notMatch(said, '\n')
  })
}
