import t from 'tap'
import * as z from 'zod'
import { composeConfig, withoutEngine } from './stack.ts'

const Model = z.object({
  services: z.record(
    z.string(),
    z.object({
      environment: z.record(z.string(), z.string()).default({}),
      ports: z.array(z.object({ host_ip: z.string(), published: z.string(), target: z.number() })).default([]),
      networks: z.record(z.string(), z.unknown()).default({})
    })
  )
})
const elsewhere = 'postgres://somebody:something@ep-example.eu-central-1.aws.neon.tech/db'

async function services(env: Record<string, string> = {}) {
  return Model.parse(JSON.parse(await composeConfig(env, '--format', 'json'))).services
}

const skip = await withoutEngine()

t.test('without any configuration a Postgres is part of the stack', { skip }, async (t) => {
  const { gateway, postgres } = await services()
  t.ok(postgres)
  t.match(gateway?.environment, { DATABASE_URL: '', DATABASE_URL_FILE: /^\/run\// })
})

t.test(
  'with DATABASE_URL the local Postgres is not started, and the gateway is given that address',
  { skip },
  async (t) => {
    const { gateway, migrate, postgres } = await services({ DATABASE_URL: elsewhere })
    t.equal(postgres, undefined)
    for (const service of [gateway, migrate]) {
      t.equal(service?.environment['DATABASE_URL'], elsewhere)
      t.notOk(service && 'DATABASE_URL_FILE' in service.environment, 'naming both would be refused')
    }
  }
)

t.test('a secret of .env takes the place of the generated one, for both that share it', { skip }, async (t) => {
  const { gateway, fastapi } = await services({ BETTER_AUTH_SECRET: 'of my own', UPSTREAM_TOKEN: 'mine too' })
  t.match(gateway?.environment, { BETTER_AUTH_SECRET: 'of my own', UPSTREAM_TOKEN: 'mine too' })
  t.match(fastapi?.environment, { UPSTREAM_TOKEN: 'mine too' })
  for (const name of ['BETTER_AUTH_SECRET_FILE', 'UPSTREAM_TOKEN_FILE']) {
    t.notOk(gateway && name in gateway.environment, name)
    t.notOk(fastapi && name in fastapi.environment, name)
  }
})

t.test('nothing is published but the gateway, on loopback, on PORT', { skip }, async (t) => {
  const published = Object.entries(await services({ PORT: '18080' })).flatMap(([name, { ports }]) =>
    ports.map((port) => ({ name, ...port }))
  )
  t.match(published, [{ name: 'gateway', host_ip: '127.0.0.1', published: '18080', target: 8080 }])
  t.equal(published.length, 1)
})

t.test('FastAPI and the database share no network', { skip }, async (t) => {
  const { fastapi, postgres } = await services()
  const shared = Object.keys(fastapi?.networks ?? {}).filter((name) => name in (postgres?.networks ?? {}))
  t.same(shared, [])
})
