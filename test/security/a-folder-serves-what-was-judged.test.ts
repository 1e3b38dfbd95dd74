import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startTestGateway } from '../support/gateway.ts'
import { noDatabase } from '../support/processes.ts'
import { askRaw } from '../support/wire.ts'

const home = t.testdir({
  'outside.txt': 'canary',
  'site-old': { 'x.txt': 'canary' },
  site: {
    'x.txt': 'x',
    '.env': 'canary',
    '.git': { config: 'canary' },
    docs: { '.hidden': { 'x.txt': 'canary' } },
    'members.txt': 'canary',
    members: { 'index.html': 'canary', 'x.txt': 'canary' }
  }
})
const site = join(home, 'site')
symlinkSync(join(home, 'outside.txt'), join(site, 'link.txt'))
symlinkSync('members', join(site, 'linked'))
symlinkSync('members/x.txt', join(site, 'inside.txt'))
symlinkSync('loop', join(site, 'loop'))
mkdirSync(join(site, 'odd'))
symlinkSync('../members/index.html', join(site, 'odd', 'index.html'))
symlinkSync('members.txt', join(site, '404.html'))
writeFileSync(join(site, 'docs', 'c%2e.txt'), 'percent')
symlinkSync(site, join(home, 'current'))

const gateway = await startTestGateway(t, {
  env: noDatabase,
  policy: {
    upstreams: { site: { directory: join(home, 'current') } },
    routes: [
      { path: '/*', access: 'public', upstream: 'site' },
      { path: '/members.txt', access: 'deny' },
      { path: '/members/*', access: 'deny' }
    ]
  }
})
const host = `Host: ${new URL(gateway.publicUrl).host}`
const ask = (path: string) => askRaw(gateway.port, `GET ${path} HTTP/1.1`, [host])

t.test('the folder itself may be a link, as where releases are switched', async (t) => {
  t.equal((await ask('/x.txt')).body, 'x')
  t.equal((await ask('/docs/c%252e.txt')).body, 'percent', 'and a path is decoded once')
})

const traversals = [
  '/../outside.txt',
  '/docs/../../outside.txt',
  '/docs/%2e%2e/%2e%2e/outside.txt',
  '/docs/..%2f..%2foutside.txt',
  '/docs/..%5c..%5coutside.txt',
  '/docs/..\\..\\outside.txt',
  '/%2e%2e%2foutside.txt',
  '/..%c0%afoutside.txt',
  '/docs/..;/..;/outside.txt',
  '/docs/%252e%252e/%252e%252e/outside.txt',
  '/../site-old/x.txt',
  '//members/x.txt',
  '/members%2fx.txt',
  '/x.txt%00.html',
  '/members/x.txt%00',
  '/docs/../members/x.txt'
]
const hidden = ['/.env', '/.git/config', '/docs/.hidden/x.txt', '/%2eenv', '/.%65nv']
const links = ['/link.txt', '/linked/x.txt', '/linked/', '/linked', '/inside.txt', '/loop', '/loop/x', '/odd/', '/odd']
const spellings = ['/Members/x.txt', '/MEMBERS/', '/members.TXT', '/members./x.txt', '/members%20/x.txt', '/x.txt/']
const denied = ['/members/x.txt', '/%6dembers/x.txt', '/members/', '/members', '/members.txt', '/members/nothing']

for (const [sort, paths] of Object.entries({ traversals, hidden, links, spellings, denied })) {
  t.test(`${sort} lead to nothing`, async (t) => {
    for (const path of paths) {
      const { status, body } = await ask(path)
      t.ok(status === 400 || status === 404, `${path}: ${status}`)
      t.notMatch(body, /canary/, path)
    }
  })
}
