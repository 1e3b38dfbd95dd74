import { lockDirectory } from '../../db/drivers/directory-lock.ts'

// Run as a process of its own: locks the directory it is given, says `held` or why not, and holds it until it is killed.
const [directory = ''] = process.argv.slice(2)
try {
  await lockDirectory(directory)
  process.stdout.write('held\n')
  setInterval(() => {}, 60_000)
} catch (error) {
  process.stdout.write(`${error instanceof Error && 'code' in error ? error.code : error}\n`)
}
