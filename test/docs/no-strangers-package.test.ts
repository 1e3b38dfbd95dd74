import { readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { gatewayVersion } from '../../src/cli/init/gateway-version.ts'
import { gatehouse } from '../src/gatehouse.ts'
import { pages, root } from './documents.ts'

/**
 * What each of these patterns finds would fetch what anybody can put on a public registry, since the names are not
 * registered. What stands in a word before the name is a path, or a registry of one's own.
 */
const fetching: readonly (readonly [what: string, pattern: RegExp])[] = [
  [
    'pip by name',
    /\bpip3? (?:install|download|wheel)\b[^\n`|&;]*[\s'"](?:fastapi|gatehouse)[-_.]gate(?:house|way)\b(?![^\s'"`]*\.whl)/i
  ],
  [
    'uv, uvx or pipx by name',
    /\b(?:uv (?:add|pip install|tool (?:run|install))|uvx|pipx (?:run|install))\b[^\n`|&;]*\bgatehouse\b(?![^\s'"`]*\.whl)/i
  ],
  ['poetry or pdm by name', /\b(?:poetry|pdm|rye|hatch) (?:add|install)\b[^\n`|&;]*\bgatehouse\b/i],
  [
    'npm by name',
    /\b(?:npm (?:i|install|add|create|init)|yarn (?:global )?add|pnpm (?:add|install)|bun add)\b[^\n`|&;]*[\s'"](?:@gatehouse\/|gatehouse(?![\w-]*-[\d.]+\.tgz)\b)/i
  ],
  ['npx without --no-install', /\bnpx (?!--no-install\b)[^\n`|&;]*\bgatehouse\b/i],
  ['another runner of packages', /\b(?:pnpm dlx|yarn dlx|bunx|npm exec(?! --no))\b[^\n`|&;]*\bgatehouse\b/i],
  ['docker pull', /\b(?:docker|podman|nerdctl)(?: image)? pull\b[^\n`|&;]*[\s/]gatehouse\b/i],
  [
    'docker run without --pull never',
    /\b(?:docker|podman) (?:run|create)\b(?![^\n`|&;]*--pull[ =]never)[^\n`|&;]*\sgatehouse:/i
  ],
  ['FROM of the image', /^\s*FROM gatehouse[:@\s]/im],
  [
    'a requirement by name',
    /^\s*(?:fastapi[-_]gatehouse|gatehouse[-_]gateway)(?:\[[^\]]*\])?\s*(?:[=<>~!]=?[^=\n]*)?$/im
  ],
  ['a dependency of package.json by name', /"@gatehouse\/gateway"\s*:\s*"(?!file:)[\^~\d*l]/]
]

/** Services of a compose file that take the image from wherever it is. */
function imagesWithoutPolicy(text: string): string[] {
  return [...text.matchAll(/^( *)(?:- )?image: *['"]?(gatehouse\b[^\s'"]*).*\n((?:\1.*\n)*)/gm)].flatMap(
    ([, , image = '', rest = '']) => (/^\s*pull_policy: never$/m.test(rest.split(/\n\s*\n/)[0] ?? '') ? [] : [image])
  )
}

const problemsIn = (text: string) => [
  ...fetching
    .filter(([, pattern]) => pattern.test(text))
    .map(([what, pattern]) => `${what}: ${pattern.exec(text)?.[0]}`),
  ...imagesWithoutPolicy(text).map((image) => `image: ${image} without pull_policy: never`)
]

t.test('the patterns find what they are for, and nothing else', async (t) => {
  const bad = [
    'pip install gatehouse-gateway',
    'pip install -U "fastapi-gatehouse[gateway]==0.1.0"',
    'python -m pip install fastapi_gatehouse',
    'uvx gatehouse-gateway',
    'uv add fastapi-gatehouse',
    'pipx run gatehouse-gateway',
    'poetry add fastapi-gatehouse',
    'npm install @gatehouse/gateway',
    'npm i --save @gatehouse/gateway@0.1.0',
    'npm install -g gatehouse',
    'npx gatehouse init',
    'npx -y @gatehouse/gateway dev',
    'pnpm dlx @gatehouse/gateway',
    'docker pull gatehouse:0.1.0',
    'docker run --rm gatehouse:0.1.0 gatehouse init',
    'FROM gatehouse:0.1.0',
    'fastapi-gatehouse[gateway]==0.1.0',
    '"@gatehouse/gateway": "^0.1.0"',
    'services:\n  a:\n    image: gatehouse:0.1.0\n    init: true\n'
  ]
  for (const text of bad) t.not(problemsIn(text).length, 0, text)
  const good = [
    'pip install ./dist/*.whl',
    'pip install -U ./dist/gatehouse_gateway-0.1.0-py3-none-any.whl',
    'pip uninstall --yes gatehouse-gateway fastapi-gatehouse',
    'npm install ./gatehouse-gateway-0.1.0.tgz',
    'npm uninstall @gatehouse/gateway',
    'npm install @better-auth/api-key',
    'npx --no-install gatehouse init',
    'npm run gatehouse -- routes',
    'docker build -t gatehouse:0.1.0 .',
    'docker run --rm --pull never gatehouse:0.1.0 gatehouse init',
    'FROM registry.example.com/team/gatehouse:0.1.0',
    'services:\n  a:\n    image: gatehouse:0.1.0\n    # Here alone.\n    pull_policy: never\n',
    "import { defineConfig } from '@gatehouse/gateway'"
  ]
  for (const text of good) t.same(problemsIn(text), [], text)
})

const others = [
  'packaging/npm-readme.md',
  'python/gatehouse-gateway/README.md',
  'python/fastapi-gatehouse/README.md'
].flatMap((path) => {
  try {
    return [{ path, text: readFileSync(join(root, path), 'utf8') }]
  } catch {
    return []
  }
})

for (const { path, text } of [...pages, ...others])
  t.test(`${path} has no command that fetches a stranger's package`, async (t) => t.same(problemsIn(text), []))

t.test('no command, compose file or example of this repository does', async (t) => {
  for (const path of [
    'docker-compose.yml',
    '.env.example',
    'examples/fastapi/requirements.txt',
    'examples/docusaurus/package.json'
  ])
    t.same(problemsIn(await readFile(join(root, path), 'utf8')), [], path)
})

t.test('nothing that gatehouse init writes or says does', async (t) => {
  for (const [folder, args] of [
    [{}, []],
    [
      { 'compose.yaml': 'services:\n  app:\n    image: shop\n', node_modules: { '.bin': { gatehouse: '' } } },
      ['--typescript']
    ]
  ] as const) {
    const cwd = t.testdir(folder)
    const { status, stdout } = await gatehouse(['init', ...args], cwd)
    t.equal(status, 0)
    t.same(problemsIn(stdout), [])
    const written = (await readdir(cwd)).filter((name) => !['compose.yaml', 'node_modules'].includes(name))
    t.equal(written.length, 4)
    for (const name of written) t.same(problemsIn(await readFile(join(cwd, name), 'utf8')), [], name)
    t.match(await readFile(join(cwd, 'compose.gatehouse.yaml'), 'utf8'), `image: gatehouse:${gatewayVersion()}`)
  }
})
