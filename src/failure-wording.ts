import { codeOf } from '../db/error-code.ts'
import { sqlState } from '../db/failure-kind.ts'
import { ConfigError } from './config/environment.ts'

/** What a command that could not do its work says on stderr, and its exit status: 1 failed, 2 wrong usage or configuration. */
export interface Failure {
  readonly lines: readonly string[]
  readonly exitCode: 1 | 2
}

/** What ended one of the gateway's workers, already in words. */
export class WorkerFailedError extends Error {
  override readonly name = 'WorkerFailedError'
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.lines.join('\n'))
    this.failure = failure
  }
}

// The messages of errors with these codes were written for the operator. The message of any other error may hold a
// connection string, a query's parameters or a token, so only its name and code are shown.
const exitCodes: Readonly<Record<string, 1 | 2>> = {
  DATA_DIR_LOCKED: 2,
  DATA_DIR_UNWRITABLE: 2,
  DATABASE_URL_MISSING: 2,
  POOLED_CONNECTION: 2,
  ID_KIND_MISMATCH: 2,
  MIGRATIONS_PENDING: 1,
  SCHEMA_CHANGED: 1,
  NOTIFICATIONS_NOT_HEARD: 1,
  NOTIFICATION_QUEUE_FULL: 1,
  ADOPTION_REQUIRED: 1,
  ADOPTION_MISMATCH: 1,
  PLUGIN_TABLES_MISMATCH: 1
}
const listenProblems: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is already in use: choose another port, or stop what listens there',
  EADDRNOTAVAIL: 'is not an address of this machine',
  EACCES: 'may not be listened on by this user'
}
// By SQLSTATE.
const databaseProblems: Readonly<Record<string, string>> = {
  '28P01': 'the database refuses the user or the password in its address',
  '28000': 'the database refuses the user in its address',
  '3D000': 'the server answers, but has no database of the name in the address',
  '42501': 'the database user lacks a permission that this needs',
  '53300': 'the database has no connection left'
}

/** Words an error that ended a command; never repeats a secret. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof ConfigError) return { lines: error.problems, exitCode: 2 }
  if (error instanceof WorkerFailedError) return error.failure
  const code = codeOf(error) ?? ''
  const exitCode = exitCodes[code]
  if (error instanceof Error && exitCode !== undefined) return { lines: [error.message], exitCode }
  const problem = listenProblems[code]
  // The primary binds for its workers, and calls that `bind`.
  const binding = error instanceof Error && 'syscall' in error && ['listen', 'bind'].includes(String(error.syscall))
  if (problem !== undefined && binding) {
    const address = 'address' in error ? String(error.address) : 'the address'
    const place = 'port' in error ? `${address}, port ${String(error.port)},` : address
    return { lines: [`${place} ${problem}`], exitCode: 1 }
  }
  // Of a refused system call its name is told, which without the path is little, and more than the code alone.
  const call = error instanceof Error && 'syscall' in error ? `, refused by ${String(error.syscall)}` : ''
  return { lines: [`failed: ${identify(error)}${call}`], exitCode: 1 }
}

/** Words an error of work that needed only the database. */
export function describeDatabaseFailure(error: unknown): Failure {
  if (error instanceof ConfigError || exitCodes[codeOf(error) ?? ''] !== undefined) return describeFailure(error)
  const state = sqlState(error)
  const problem = state === undefined ? 'the database cannot be reached' : databaseProblems[state]
  return { lines: [`${problem ?? 'the database refused a statement'} (${identify(error)})`], exitCode: 1 }
}

/** An error's name and code and those of what caused it, without any message. */
export function identify(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  const code = codeOf(error)
  const own = code === undefined ? error.name : `${error.name} ${code}`
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause
  return inner instanceof Error ? `${own}, caused by ${identify(inner)}` : own
}
