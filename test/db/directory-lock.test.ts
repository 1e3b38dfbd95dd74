import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { lockDirectory } from '../../db/drivers/directory-lock.ts'
import { openDatabase } from '../../db/open-database.ts'
import { kill, runScript } from '../support/child.ts'
import { makeEmbedded } from '../support/embedded-database.ts'

const holder = './hold-directory.ts'

// Short enough for a socket's address; what `t.testdir` makes may not be.
async function shortDirectory(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

t.test('a second process is refused, until the first lets go', async (t) => {
  const directory = join(await shortDirectory(t), 'data')
  const lock = await lockDirectory(directory)
  t.equal((await runScript(t, holder, directory)).said, 'DATA_DIR_LOCKED')
  await t.rejects(lockDirectory(directory), { code: 'DATA_DIR_LOCKED' }, 'nor twice in one process')
  await lock.release()
  t.equal((await runScript(t, holder, directory)).said, 'held')
  t.equal((await stat(directory)).mode & 0o777, 0o700)
})

t.test('a process that was killed holds nothing, and leaves nothing behind', async (t) => {
  const directory = await shortDirectory(t)
  const { child, said } = await runScript(t, holder, directory)
  t.equal(said, 'held')
  await t.rejects(lockDirectory(directory), { code: 'DATA_DIR_LOCKED' })
  await kill(child)
  t.equal((await readdir(directory)).length, 1)
  const lock = await lockDirectory(directory)
  t.equal((await readdir(directory)).length, 1)
  await lock.release()
  t.same(await readdir(directory), [])
})

t.test('a process that does not answer still holds its directory', async (t) => {
  const directory = await shortDirectory(t)
  const { child } = await runScript(t, holder, directory)
  child.kill('SIGSTOP')
  await t.rejects(lockDirectory(directory), { code: 'DATA_DIR_LOCKED' })
})

t.test('of many that start at once over what a dead one left, exactly one gets the directory', async (t) => {
  const directory = await shortDirectory(t)
  const { child } = await runScript(t, holder, directory)
  await kill(child)
  const starters = await Promise.all(Array.from({ length: 5 }, () => runScript(t, holder, directory)))
  t.same(starters.map(({ said }) => said).sort(), [...Array(4).fill('DATA_DIR_LOCKED'), 'held'])
})

t.test('of many that start at once in one process, exactly one gets the directory', async (t) => {
  const directory = await shortDirectory(t)
  for (let round = 0; round < 10; round++) {
    const starts = await Promise.allSettled(Array.from({ length: 8 }, () => lockDirectory(directory)))
    const locks = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
    t.equal(locks.length, 1)
    await Promise.all(locks.map((lock) => lock.release()))
  }
})

t.test('a path too long for a socket is locked all the same', async (t) => {
  const directory = join(await shortDirectory(t), 'a'.repeat(100), 'b'.repeat(100))
  const lock = await lockDirectory(directory)
  t.equal((await runScript(t, holder, directory)).said, 'DATA_DIR_LOCKED')
  await lock.release()
  await (await lockDirectory(directory)).release()
})

t.test('a directory that cannot be written is said to be so', async (t) => {
  const directory = t.testdir({ file: '' })
  await t.rejects(lockDirectory(join(directory, 'file')), { code: 'DATA_DIR_UNWRITABLE' })
  await t.rejects(lockDirectory(join(directory, 'file', 'below')), { code: 'DATA_DIR_UNWRITABLE' })
})

t.test(
  'a directory of somebody else is said to be so',
  { skip: process.getuid?.() !== 0 && 'needs root' },
  async (t) => {
    const directory = await shortDirectory(t)
    await chmod(directory, 0o755)
    t.equal((await runScript(t, holder, directory, { uid: 65534 })).said, 'DATA_DIR_UNWRITABLE')
  }
)

t.test('the embedded database holds its directory while it is open', async (t) => {
  const dataDir = await makeEmbedded(t)
  const database = await openDatabase({ driver: 'pglite', dataDir })
  t.equal((await runScript(t, holder, dataDir)).said, 'DATA_DIR_LOCKED')
  await database.close()
  const again = await openDatabase({ driver: 'pglite', dataDir })
  await again.ping()
  await again.close()
})

t.test('a database that cannot be opened does not keep its directory', async (t) => {
  const dataDir = await shortDirectory(t)
  await writeFile(join(dataDir, 'postgres'), 'not a directory')
  await t.rejects(openDatabase({ driver: 'pglite', dataDir }))
  await (await lockDirectory(dataDir)).release()
})
