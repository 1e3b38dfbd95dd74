import { isIP } from 'node:net'
import t from 'tap'
import { readConfig, variableNames } from '../../src/config/environment.ts'
import { blocksOf, blockWith, pageOf, root, variablesIn } from './documents.ts'

const page = 'docs/deploying.md'
// What a dashboard or a secret store has.
const secrets = {
  BETTER_AUTH_SECRET: 'a secret of this test, which is long enough',
  DATABASE_URL: 'postgres://user:password@db.example.com/app',
  UPSTREAM_TOKEN: 'a-token-of-this-test'
}
const quoted = /^["'](.*)["']$/

interface Platform {
  readonly variables: Record<string, string>
  /** What the file says beside them. */
  readonly file: string
}

const platforms: Readonly<Record<string, Platform>> = {
  Fly: read('app = "shop"', /^ {2}([A-Z_]+) = (.+)$/gm),
  Render: read('preDeployCommand: gatehouse', /\{ key: ([A-Z_]+), value: (.+) \}$/gm, '- type: pserv'),
  Railway: {
    variables: variablesIn(blockWith(page, 'railway.internal')),
    file: blockWith(page, 'preDeployCommand = ')
  },
  'Cloud Run': read('serving.knative.dev', /\{ name: ([A-Z_]+), value: (.+) \}$/gm, '- name: app')
}

function read(marker: string, pattern: RegExp, end?: string): Platform {
  const file = blockWith(page, marker)
  const own = end === undefined ? file : file.slice(0, file.indexOf(end))
  const found = [...own.matchAll(pattern)].map(([, name = '', value = '']) => [name, value.replace(quoted, '$1')])
  return { variables: Object.fromEntries(found), file }
}

for (const [name, { variables, file }] of Object.entries(platforms)) {
  t.test(`what is shown for ${name} is a configuration for production`, async (t) => {
    const names = Object.keys(variables)
    t.ok(names.length > 5)
    for (const one of names) t.ok([...variableNames, 'NODE_ENV'].includes(one), one)
    // PORT is the platform's, HOST is the image's.
    const config = readConfig({ ...secrets, PORT: '8080', HOST: '0.0.0.0', ...variables }, root)
    t.equal(config.production, true)
    t.equal(config.adminHost, '127.0.0.1', "the private port is nobody else's")
    t.match(config.publicUrl, /^https:/)
    t.ok(config.trustedProxies.length > 0, 'addresses of visitors are told apart')
    for (const address of config.trustedProxies) t.ok(isIP(address.split('/')[0] ?? ''), address)
    const { publicHealthPath = '' } = config
    t.ok(publicHealthPath !== '' && file.includes(publicHealthPath), 'the platform asks where the gateway answers')
    for (const [port] of file.matchAll(/(?<=(?:internal_port = |containerPort: ))\d+/g)) t.equal(port, '8080')
    t.notMatch(config.upstream.url, /https?:\/\/[^/]*example/, 'FastAPI has no public address')
    if (!file.includes('knative')) t.match(file, 'gatehouse migrate')
  })
}

t.test('the time that a platform waits for is longer than a drain', async (t) => {
  const waits = { Fly: /kill_timeout = (\d+)/, Render: /maxShutdownDelaySeconds: (\d+)/ }
  for (const [name, pattern] of Object.entries(waits)) {
    const { file = '', variables = {} } = platforms[name] ?? {}
    const { drainDelayMs, drainTimeoutMs } = readConfig({ ...secrets, ...variables }, root)
    t.ok(Number(pattern.exec(file)?.[1]) * 1000 > drainDelayMs + drainTimeoutMs, name)
  }
  const { variables = {} } = platforms['Cloud Run'] ?? {}
  const { drainDelayMs, drainTimeoutMs } = readConfig({ ...secrets, ...variables }, root)
  t.ok(drainDelayMs + drainTimeoutMs < 10_000, 'Cloud Run waits for ten seconds')
})

t.test("no image of a platform is anybody's", async (t) => {
  const images = blocksOf(pageOf(page)).flatMap(({ text }) => [...text.matchAll(/registry\.example\.com|FROM (\S+)/g)])
  t.ok(images.length >= 4)
  for (const [, from] of images) if (from !== undefined) t.match(from, /^registry\.example\.com\//)
})
