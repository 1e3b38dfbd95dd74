import { readFile } from 'node:fs/promises'
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api'
import t from 'tap'
import * as schema from '../../db/schema.ts'

t.test('the committed migrations make the schema as it is', async (t) => {
  const folder = new URL('../../db/migrations/', import.meta.url)
  const journal = JSON.parse(await readFile(new URL('meta/_journal.json', folder), 'utf8'))
  const last = String(journal.entries.length - 1).padStart(4, '0')
  const snapshot = JSON.parse(await readFile(new URL(`meta/${last}_snapshot.json`, folder), 'utf8'))
  t.same(await generateMigration(snapshot, generateDrizzleJson({ ...schema }, snapshot.id)), [])
})
