/** A statement for the thread that owns the database. */
export interface StatementMessage {
  readonly id: number
  readonly sql: string
  readonly params: readonly unknown[]
  readonly rowMode: 'array' | 'object'
  /** Types, by their OID, whose values stay the text that Postgres wrote. */
  readonly asText: readonly number[]
}

/** Asks the thread to close the database. It says `closed` and does nothing more. */
export interface CloseMessage {
  readonly close: true
}

/** What came of a statement: PGlite's own result, as far as it crosses between threads. */
export interface StatementResult {
  readonly rows: Record<string, unknown>[]
  readonly fields: { readonly name: string; readonly dataTypeID: number }[]
  /** The tag's first word: `SELECT`, `COMMIT`, … */
  readonly command: string
  readonly affectedRows: number
}

/** An error of Postgres' own or of PGlite's. Neither the statement nor its parameters come along. */
export interface StatementFailure {
  readonly message: string
  /** The SQLSTATE, where Postgres gave one. */
  readonly code: string | undefined
  readonly constraint: string | undefined
  readonly table: string | undefined
  readonly column: string | undefined
}

/** What the thread says. */
export type ThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'result'; readonly id: number; readonly result: StatementResult }
  | { readonly kind: 'failure'; readonly id: number; readonly failure: StatementFailure }
  | { readonly kind: 'notification'; readonly channel: string; readonly payload: string }
  | { readonly kind: 'closed' }
