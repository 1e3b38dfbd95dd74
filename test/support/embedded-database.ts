import { existsSync, readFileSync } from 'node:fs'
import { cp, mkdir, rename, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { openDatabase } from '../../db/database.ts'

const modules = new URL('../../node_modules/', import.meta.url)
const { version } = JSON.parse(readFileSync(new URL('@electric-sql/pglite/package.json', modules), 'utf8'))
const template = fileURLToPath(new URL(`.cache/gatehouse/pglite-${version}`, modules))

/** Puts an empty embedded database into `dataDir`: a copy of one that is made once, because making one takes seconds. */
export async function placeEmbeddedDatabase(dataDir: string): Promise<void> {
  if (!existsSync(template)) await makeTemplate()
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  await cp(`${template}/postgres`, `${dataDir}/postgres`, { recursive: true })
}

async function makeTemplate(): Promise<void> {
  const draft = `${template}.${process.pid}`
  const database = await openDatabase({ driver: 'pglite', dataDir: draft })
  await database.ping()
  await database.close()
  // Several test files may make it at the same time; one of them wins.
  await rename(draft, template).catch(() => rm(draft, { recursive: true, force: true }))
}
