import { setFlagsFromString } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite, type Results } from '@electric-sql/pglite'
import type { CloseMessage, StatementFailure, StatementMessage, ThreadMessage } from './pglite-messages.ts'

// The thread that owns the embedded database: Postgres compiled to WebAssembly works where it is called, and whoever
// shares its thread stands still meanwhile. Whatever goes wrong here but a statement ends the thread.
if (parentPort === null) throw new Error('this is a thread of the gateway, not a program')
const port = parentPort
const directory: string = workerData
// V8 writes two machine codes for what runs often, and keeps the memory in which it made the second: 60 MB for 30 % of a
// statement's time. The flags are the process's, so they hold only while Postgres is being loaded.
for (const flag of ['--no-wasm-tier-up', '--no-wasm-dynamic-tiering']) setFlagsFromString(flag)
const pglite = await PGlite.create(directory, {
  // The default of 128 MB becomes resident whole. Four hold the tables of a gateway, and the kernel caches the files.
  startParams: [...PGlite.defaultStartParams, '-c', 'shared_buffers=4MB']
})
for (const flag of ['--wasm-tier-up', '--wasm-dynamic-tiering']) setFlagsFromString(flag)

pglite.onNotification((channel, payload) => say({ kind: 'notification', channel, payload }))
port.on('message', (message: StatementMessage | CloseMessage) => {
  if ('close' in message) void close()
  else void answer(message)
})
say({ kind: 'ready' })

function say(message: ThreadMessage): void {
  port.postMessage(message)
}

async function answer({ id, sql, params, rowMode, asText }: StatementMessage): Promise<void> {
  const parsers = Object.fromEntries(asText.map((type) => [type, (value: string) => value]))
  let result: Results<Record<string, unknown>> | undefined
  try {
    result = await pglite.query(sql, [...params], { rowMode, parsers })
  } catch (error) {
    return say({ kind: 'failure', id, failure: failureOf(error) })
  }
  // PGlite swallows a crash of the machine code; all that shows is that there is no answer.
  if (result === undefined) throw new Error('the embedded database gave no answer')
  const { rows, fields, command, affectedRows = 0 } = result
  say({ kind: 'result', id, result: { rows, fields, command: command ?? '', affectedRows } })
}

async function close(): Promise<void> {
  await pglite.close()
  say({ kind: 'closed' })
}

function failureOf(error: unknown): StatementFailure {
  const text = (key: string) => {
    const value: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, key) : undefined
    return typeof value === 'string' ? value : undefined
  }
  return {
    message: text('message') ?? 'the statement failed',
    code: text('code'),
    constraint: text('constraint'),
    table: text('table'),
    column: text('column')
  }
}
