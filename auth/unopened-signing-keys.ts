import type { AuthContext } from 'better-auth'
import { symmetricDecrypt } from 'better-auth/crypto'
import { LRUCache } from 'lru-cache'
import { isRecord } from '../db/type-guards.ts'
import { guardAdapter } from './guarded-adapter.ts'

const keysKept = 100

/**
 * Has BetterAuth's jwt plugin sign with no key that another secret has encrypted: it would answer 500 to `get-session` and
 * `token` for as long as that key is the latest. Such a key counts as expired a moment ago, so that a new one is made, and
 * what the old one has signed, or a replica that can open it still signs, is verified with its public key as before.
 */
export function passOverUnopenedKeys(context: AuthContext): void {
  if (context.options.plugins?.some(({ id }) => id === 'jwt') !== true) return
  const known = new LRUCache<string, boolean>({ max: keysKept })

  async function isOpened(privateKey: unknown): Promise<boolean> {
    const sealed = typeof privateKey === 'string' ? parsed(privateKey) : undefined
    // With `disablePrivateKeyEncryption` it is the key itself.
    if (typeof sealed !== 'string') return true
    const before = known.get(sealed)
    if (before !== undefined) return before
    const opened = await symmetricDecrypt({ key: context.secretConfig, data: sealed }).then(
      () => true,
      () => false
    )
    known.set(sealed, opened)
    return opened
  }

  guardAdapter(context, (guarded) => {
    const { findMany } = guarded
    guarded.findMany = async <T>(given: Parameters<typeof findMany>[0]) => {
      const rows = await findMany<T>(given)
      if (given.model !== 'jwks') return rows
      const passedOver = rows.map(async (row) => {
        if (!isRecord(row) || (await isOpened(row['privateKey']))) return row
        const { expiresAt } = row
        const past = Math.min(
          Date.now() - 1,
          expiresAt instanceof Date ? expiresAt.getTime() : Number.POSITIVE_INFINITY
        )
        return { ...row, expiresAt: new Date(past) }
      })
      return Promise.all(passedOver)
    }
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
