import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { gatehouse } from '../src/gatehouse.ts'
import { entryIn, projectFolder } from '../support/built-package.ts'
import { startSmtp } from '../support/smtp.ts'

t.test('a project that has the built package, and its policy as TOML', async (t) => {
  const smtp = await startSmtp(t)
  const folder = await projectFolder(
    t,
    {
      'gatehouse.toml': `#:schema ./node_modules/@gatehouse/gateway/src/config/gatehouse.schema.json
[[routes]]
path = "/admin/*"
access = "session"
roles = ["admin"]

[auth]
plugins = ["admin", "magic-link", "username"]

[mail]
host = "127.0.0.1"
port = ${smtp.port}
from = "accounts@example.com"
`
    },
    { installed: true }
  )
  t.ok(
    existsSync(join(folder, 'node_modules/@gatehouse/gateway/src/config/gatehouse.schema.json')),
    'the schema is there'
  )
  const env = { DATA_DIR: join(folder, 'data'), UPSTREAM_URL: 'http://127.0.0.1:1' }
  const ask = async (command: string) => (await gatehouse([command], folder, env, entryIn(folder))).stdout
  t.match(await ask('routes'), /^session +any +\/admin\/\* +.*admin/m)
  const checked = await ask('check')
  t.match(checked, /^ok {4}policy: 1 rule/m)
  t.match(checked, /^ok {4}mail: the server takes mails$/m)
})
