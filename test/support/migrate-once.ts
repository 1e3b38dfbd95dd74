import { openDatabase } from '../../db/database.ts'
import { migrate } from '../../db/migrate.ts'

// Run as a process of its own: migrates the database it is given and says how many migrations that took.
const [url = ''] = process.argv.slice(2)
const database = await openDatabase({ driver: 'pg', url })
const { applied } = await migrate(database)
process.stdout.write(`${applied.length}\n`)
await database.close()
