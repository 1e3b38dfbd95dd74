import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Block, blocksOf, pages, root, variablesIn } from './documents.ts'

const inDocs = (name: string) => `test/docs/${name}.test.ts`
const byHand = 'a fault of a library, tried again by hand when its version moves'
const picture = 'a picture'

/** What becomes of blocks of a kind, on whatever page: the test that takes them from the page, or why there is none. */
const kinds: readonly (readonly [of: (block: Block) => boolean, becomes: string])[] = [
  [({ page }) => page === 'docs/upstream-notes.md', byHand],
  [({ language, text }) => language === '' && /[─►│→]/.test(text), picture],
  [({ language, text }) => language === 'ts' && text.includes('defineConfig('), inDocs('snippets')],
  [({ language }) => language === 'toml', inDocs('toml')],
  [({ language, text }) => language === 'python' && /^# \w+\.py\n/.test(text), inDocs('python-pages')],
  [({ language, text }) => language === 'python' && !/^# \w+\.py\n|\nproxied = /.test(text), inDocs('snippets')],
  [
    ({ page, text }) =>
      page === 'docs/fastapi.md' && /\nproxied = |^(uvicorn|hypercorn|granian|daphne|gunicorn) --/.test(text),
    inDocs('servers')
  ],
  [({ language, text }) => language === 'console' && text.startsWith('$ '), inDocs('console')],
  [
    ({ text }) => /^(npm run gatehouse -- (routes|explain) .*\n|npm run gatehouse -- routes\n)+$/.test(text),
    inDocs('console')
  ],
  [({ page }) => page === 'docs/development.md', inDocs('development')],
  [({ page, language }) => page === 'docs/auth-api.md' && /^(sh|json)$/.test(language), inDocs('auth-api')],
  [({ page, language }) => page === 'docs/data-model.md' && language === 'sql', inDocs('data-model')],
  [
    ({ page, language, text }) => page !== 'docs/auth-api.md' && language === 'sh' && text.startsWith('curl '),
    inDocs('curl')
  ],
  [({ language, text }) => language === 'ini' && Object.keys(variablesIn(text)).length > 0, inDocs('settings')]
]

/** The other blocks, by their page and how they begin. */
const others: readonly (readonly [page: string, beginning: string, becomes: string])[] = [
  ['README.md', 'pip install ./dist', 'test/install/pip.test.ts'],
  ['README.md', '# main.py', 'test/install/npm.test.ts'],
  ['README.md', 'npm install ./', 'test/install/npm.test.ts'],
  ['README.md', 'docker build -t gatehouse', 'test/docker/compose-gatehouse.test.ts'],
  ['README.md', 'npm ci && npm run demo', 'test/e2e/demo.test.ts'],
  ['README.md', 'npm ci && npm test', '.ci/run'],
  ['README.md', 'npm run check', '.ci/run'],
  ['README.md', 'npm test -- test/proxy', '.ci/run'],
  ['README.md', '{ "id"', inDocs('curl')],
  ['README.md', 'HTTP/1.1 401', inDocs('curl')],
  ['README.md', 'docker compose up', 'test/docker/compose.test.ts'],
  ['README.md', 'export DATABASE_URL=', inDocs('databases')],
  ['docs/adopting.md', 'DATABASE_URL=', inDocs('databases')],
  ['docs/adopting.md', 'begin;', inDocs('databases')],
  ['docs/deploying.md', 'services:', inDocs('compose-override')],
  ['docs/deploying.md', 'services:\n  gatehouse: &packages', 'test/install/image.test.ts'],
  ['docs/deploying.md', 'app.example.com {', inDocs('tls-proxies')],
  ['docs/deploying.md', 'map $http_upgrade', inDocs('tls-proxies')],
  ['docs/deploying.md', 'FROM registry.example.com', inDocs('platforms')],
  ['docs/deploying.md', 'app = "shop"', inDocs('platforms')],
  ['docs/deploying.md', 'services:\n  - type: web', inDocs('platforms')],
  ['docs/deploying.md', '[build]', inDocs('platforms')],
  ['docs/deploying.md', 'apiVersion: serving', inDocs('platforms')],
  ['docs/deploying.md', 'python3 -m venv /opt/shop', inDocs('installing')],
  ['docs/deploying.md', '# /etc/systemd', inDocs('settings')],
  ['docs/deploying.md', 'update "user" set two_factor_enabled', 'test/e2e/rotated-secret.test.ts'],
  ['docs/docusaurus.md', 'npm --prefix examples/docusaurus', inDocs('docusaurus')],
  ['docs/docusaurus.md', 'TRUSTED_ORIGINS=', inDocs('docusaurus')],
  ['docs/docusaurus.md', 'const { data', inDocs('docusaurus')],
  ['docs/flask.md', 'gunicorn --', inDocs('python-pages')],
  ['docs/importing-users.md', 'npm run gatehouse -- users import', inDocs('importing-users')],
  ['docs/importing-users.md', '\\copy', inDocs('importing-users')],
  ['docs/importing-users.md', 'select', inDocs('importing-users')],
  ['docs/install.md', 'python3 -m venv .venv', inDocs('installing')],
  ['docs/install.md', 'pip install ./dist/fastapi_gatehouse', inDocs('installing')],
  ['docs/install.md', 'npm install ./', inDocs('installing')],
  ['docs/install.md', 'docker build', inDocs('installing')],
  ['docs/install.md', 'docker run', inDocs('installing')],
  ['docs/install.md', 'gatehouse init --from-openapi', inDocs('installing')],
  ['docs/install.md', '--- nothing', inDocs('installing')],
  ['docs/install.md', 'pip install -U', inDocs('installing')],
  ['docs/install.md', 'pip uninstall', inDocs('installing')],
  ['docs/performance.md', 'npm run bench', inDocs('bench-commands')],
  ['docs/policy.md', 'update "user"', inDocs('databases')],
  ['docs/policy.md', '- run: python -c', inDocs('policy-in-ci')],
  ['docs/recipes.md', 'insert into profile', inDocs('recipes')],
  ['docs/refusals.md', '{\n  "type"', inDocs('curl')],
  ['examples/docusaurus/README.md', 'npm --prefix', inDocs('docusaurus')],
  ['examples/fastapi/README.md', 'python3 -m venv', 'test/support/python.ts']
]

for (const page of pages) {
  t.test(`every fenced block of ${page.path} is run, checked, or said to be neither`, async (t) => {
    for (const block of blocksOf(page)) {
      const becomes = [
        ...kinds.filter(([of]) => of(block)).map(([, becomes]) => becomes),
        ...others.filter(([path, start]) => path === block.page && block.text.startsWith(start)).map(([, , to]) => to)
      ]
      if (t.ok(becomes.length > 0, `${block.text.split('\n')[0]}: have a test take it from the page, and name it here`))
        for (const name of becomes) t.ok([byHand, picture].includes(name) || existsSync(join(root, name)), name)
    }
    t.pass('every block was looked at')
  })
}

t.test('nothing is accounted for that is no longer there', async (t) => {
  const blocks = pages.flatMap(blocksOf)
  for (const [page, start] of others)
    t.ok(
      blocks.some((block) => block.page === page && block.text.startsWith(start)),
      `${page}: ${start}`
    )
})
