import type { StatementResult } from './pglite-messages.ts'
import { PgliteStatementError } from './pglite-thread.ts'

/** What drizzle's driver for PGlite says about the answer that it wants. */
export interface StatementOptions {
  readonly rowMode?: 'array' | 'object' | undefined
  /** Drizzle's all leave the text as it is, and a function cannot go to another thread: only which types is told. */
  readonly parsers?: Readonly<Record<number, unknown>> | undefined
}

/** Runs one statement. */
export type RunStatement = (sql: string, params?: unknown[], options?: StatementOptions) => Promise<StatementResult>

/** Lends the database: nobody else's statement runs until the work has ended. Resolves and rejects as the work does. */
export type LendDatabase = <T>(work: (run: RunStatement, abandon: (error: Error) => void) => Promise<T>) => Promise<T>

/** As much of a PGlite as drizzle uses of one. */
export interface PgliteClient {
  readonly query: RunStatement
  transaction<T>(work: (tx: { readonly query: RunStatement }) => Promise<T>): Promise<T>
}

/** A client of a database that is lent to one piece of work at a time. */
export function createPgliteClient(lend: LendDatabase): PgliteClient {
  return {
    query: (sql, params, options) => lend((run) => run(sql, params, options)),
    transaction: (work) =>
      lend(async (run, abandon) => {
        let over = false
        const query: RunStatement = async (...statement) => {
          if (over) throw new Error('the transaction is over')
          return await run(...statement)
        }
        await run('begin')
        try {
          const result = await work({ query })
          over = true
          const { command } = await run('commit')
          // A statement of it had failed, and the work went on as if nothing had been.
          if (command === 'ROLLBACK') throw abortedError()
          return result
        } catch (error) {
          over = true
          // Left open, it would swallow what everybody else writes.
          await run('rollback').catch(abandon)
          throw error
        }
      })
  }
}

function abortedError(): PgliteStatementError {
  return new PgliteStatementError({
    message: 'the transaction was rolled back instead of committed',
    code: '25P02',
    constraint: undefined,
    table: undefined,
    column: undefined
  })
}
