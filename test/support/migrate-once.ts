import { admin, twoFactor } from 'better-auth/plugins'
import { pluginTables } from '../../auth/plugin-tables.ts'
import { migrate } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'

// Run as a process of its own: migrates the database it is given, with `plugins` for some of BetterAuth's plugins too,
// and says how many migrations that took.
const [url = '', mode] = process.argv.slice(2)
const plugins = mode === 'plugins' ? [admin(), twoFactor()] : []
const database = await openDatabase({ driver: 'pg', url, pluginTables: pluginTables({ plugins }) })
const { applied } = await migrate(database)
process.stdout.write(`${applied.length}\n`)
await database.close()
