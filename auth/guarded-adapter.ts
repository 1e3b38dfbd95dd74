import type { AuthContext } from 'better-auth'

/** BetterAuth's way to the database, also inside a transaction. */
export type StorageAdapter = Omit<AuthContext['adapter'], 'transaction'>

/** The condition of a statement, as BetterAuth writes it. */
export type Where = Parameters<StorageAdapter['delete']>[0]['where']

/**
 * Has everything that BetterAuth asks of the database go through `guard`, which replaces functions of the adapter that it
 * is given: the one adapter there is, and that of every transaction.
 */
export function guardAdapter(
  { adapter }: Pick<AuthContext, 'adapter'>,
  guard: (adapter: StorageAdapter) => void
): void {
  guard(adapter)
  const transaction = adapter.transaction.bind(adapter)
  adapter.transaction = (work) =>
    transaction((inner) => {
      guard(inner)
      return work(inner)
    })
}
