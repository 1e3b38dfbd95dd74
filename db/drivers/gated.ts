import type { Gate } from './gate.ts'

type Door = Pick<Gate, 'enter' | 'answered'>

/** What a pool of node-postgres and one of Neon's driver have in common. */
interface Pool {
  query(...args: unknown[]): unknown
  connect(...args: unknown[]): unknown
}

/**
 * The same pool, whose statements and whose lent clients each take a place at the gate, and tell it what came of them.
 * Promises only: called with a callback it throws.
 */
export function gated<T extends object>(pool: T & Pool, gate: Door): T {
  async function query(...args: unknown[]): Promise<unknown> {
    refuseCallback(args)
    const leave = await gate.enter()
    try {
      return await telling(gate, () => pool.query(...args))
    } finally {
      leave()
    }
  }

  async function connect(...args: unknown[]): Promise<unknown> {
    refuseCallback(args)
    const leave = await gate.enter()
    try {
      const client = await telling(gate, () => pool.connect())
      return lent(client, gate, leave)
    } catch (error) {
      leave()
      throw error
    }
  }

  return new Proxy(pool, {
    get(target, key) {
      if (key === 'query') return query
      if (key === 'connect') return connect
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

interface Lent {
  query(...args: unknown[]): unknown
  release(error?: Error | boolean): void
}

function lent(client: unknown, gate: Door, leave: () => void): unknown {
  if (!isLent(client)) throw new Error('the pool lent no client')
  return new Proxy(client, {
    get(target, key) {
      if (key === 'query') return (...args: unknown[]) => telling(gate, () => target.query(...args))
      if (key === 'release') {
        return (error?: Error | boolean) => {
          target.release(error)
          leave()
        }
      }
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

function isLent(client: unknown): client is Lent {
  return typeof client === 'object' && client !== null && 'release' in client && 'query' in client
}

async function telling(gate: Door, work: () => unknown): Promise<unknown> {
  try {
    const result = await work()
    gate.answered()
    return result
  } catch (error) {
    gate.answered(error)
    throw error
  }
}

function refuseCallback(args: unknown[]): void {
  if (typeof args.at(-1) === 'function') throw new TypeError('this pool answers with promises')
}
