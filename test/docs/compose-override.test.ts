import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { docker, withoutEngine } from '../docker/stack.ts'
import { blockWith, root } from './documents.ts'

t.test("an app of one's own takes the example's place in Compose", { skip: await withoutEngine() }, async (t) => {
  const override = join(t.testdir(), 'docker-compose.override.yml')
  // The network `outside` is there already; the image need not be.
  await writeFile(override, blockWith('docs/deploying.md', 'build: !reset null'))
  const files = [
    '--project-directory',
    root,
    '--env-file',
    '/dev/null',
    '-f',
    join(root, 'docker-compose.yml'),
    '-f',
    override
  ]
  const { services } = JSON.parse(await docker('compose', ...files, 'config', '--format', 'json'))
  t.match(services.fastapi, { image: 'registry.example.com/app:1.2.3', user: '10001:10001' })
  t.notOk('build' in services.fastapi)
  t.same(Object.keys(services.fastapi.networks).sort(), ['edge', 'outside'])
})
