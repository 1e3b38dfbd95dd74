import { openDatabase } from '../../db/open-database.ts'

// Run as a process of its own: opens the embedded database in the directory it is given, uses it, says `open`, and
// comes to its end without closing anything.
const [dataDir = ''] = process.argv.slice(2)
const database = await openDatabase({ driver: 'pglite', dataDir })
await database.listen(
  'gatehouse',
  () => {},
  () => {}
)
await database.ping()
process.stdout.write('open\n')
