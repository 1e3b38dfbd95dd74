import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { watchFiles } from '../../src/dev/watch-files.ts'
import { until } from '../support/until.ts'

t.test('a file that is written, replaced, made or removed is told of once', async (t) => {
  const folder = t.testdir({ 'a.ts': 'one', 'b.ts': 'two' })
  const [a, b, c] = ['a.ts', 'b.ts', 'c.ts'].map((name) => join(folder, name)) as [string, string, string]
  const told: string[][] = []
  const watcher = watchFiles((changed) => told.push(changed))
  t.teardown(() => watcher.close())
  await watcher.watch([a, b, c])
  const after = async (work: () => Promise<unknown>) => {
    const before = told.length
    await work()
    await until(() => told.length > before)
    // Anything more would come by then.
    await new Promise((done) => setTimeout(done, 300))
    return told.slice(before)
  }
  t.same(await after(() => writeFile(a, 'another')), [[a]])
  const save = async () => {
    // As an editor saves: the file is moved away, another takes its name, in several steps.
    await rename(a, `${a}~`)
    await writeFile(`${a}.new`, 'a third')
    await rename(`${a}.new`, a)
  }
  t.same(await after(save), [[a]])
  t.same(await after(() => writeFile(a, 'a fourth')), [[a]], 'and is watched on')
  t.same(await after(() => writeFile(c, 'made')), [[c]])
  t.same(await after(() => rm(b)), [[b]])
  const before = told.length
  await writeFile(a, 'a fourth')
  await writeFile(join(folder, 'd.ts'), 'of no interest')
  await new Promise((done) => setTimeout(done, 2_500))
  t.equal(told.length, before, 'the same again is no change')
})

t.test('a folder that comes later, and what does not count', async (t) => {
  const folder = t.testdir({ 'pyproject.toml': '[project]\n' })
  const [project, later] = [join(folder, 'pyproject.toml'), join(folder, 'sub/x.ts')]
  const told: string[][] = []
  const watcher = watchFiles(
    (changed) => told.push(changed),
    (file, text) => !file.endsWith('.toml') || text.includes('gatehouse')
  )
  t.teardown(() => watcher.close())
  await watcher.watch([project, later])
  await mkdir(join(folder, 'sub'))
  await writeFile(later, 'x')
  await until(() => told.length === 1)
  t.same(told[0], [later])
  await writeFile(project, '[project]\nname = "x"\n')
  await writeFile(later, 'y')
  await until(() => told.length === 2)
  t.same(told[1], [later])
  await writeFile(project, '[tool.gatehouse]\n')
  await until(() => told.length === 3)
  t.same(told[2], [project])
})
