import { execFile, execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const { engines, scripts }: { engines: { node: string }; scripts: Record<string, string> } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8')
)
const needed = engines.node.replace('>=', '')

/** A Node of this machine's own that is too old; undefined where it has none. */
function oldNode(): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'node'))
    .filter((path) => !path.includes('node_modules') && existsSync(path))
    .find((path) => Number.parseInt(execFileSync(path, ['-p', 'process.versions.node']).toString(), 10) < 22)
}

// One without type stripping can run Gatehouse no more than one that is too old.
const nodes: [name: string, command: string, options: string[]][] = [
  ['a Node without type stripping', process.execPath, ['--no-experimental-strip-types']]
]
const old = oldNode()
if (old !== undefined) nodes.push(['the Node of this machine', old, []])

// The ways in of package.json, without the npm that chooses the Node.
const entrances = [
  ['src/gatehouse.js', 'start'],
  ['src/gatehouse.js', '--help'],
  (scripts['demo'] ?? '').split(' ').slice(1)
]

for (const [name, command, options] of nodes) {
  for (const entrance of entrances) {
    t.test(`${name} is told in one sentence what ${entrance.join(' ')} needs`, async (t) => {
      const { code, stdout, stderr } = await run(command, [...options, ...entrance], {
        cwd: root,
        // tap's own options for Node would have it load TypeScript before anything else.
        env: { PATH: process.env['PATH'] }
      }).catch((error) => error)
      t.equal(code, 1)
      t.equal(stdout, '')
      t.match(stderr, /^Gatehouse needs Node\.js [\d.]+ or newer, and this is \d+\.\d+\.\d+: [^\n]+\n$/)
      t.match(stderr, `Node.js ${needed} or newer`)
    })
  }
}

t.test('the pages name the version that package.json asks for', async (t) => {
  for (const page of ['README.md', 'docs/deploying.md', 'docs/install.md']) {
    const named = [...readFileSync(join(root, page), 'utf8').matchAll(/Node(?:\.js)? (\d+\.\d+) or newer/g)]
    t.same(new Set(named.map(([, version]) => version)), new Set([needed]), page)
  }
})
