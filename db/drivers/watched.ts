import { failureReporter, isStoreFailure } from '../failure-scope.ts'

/**
 * The same pool or client, whose failing statements and connection attempts are reported to the failure scope that
 * asked for them. A client lent by `connect` is watched too, and thrown away once the store failed it.
 */
export function watched<T extends object>(target: T): T {
  return new Proxy(target, {
    get(_, key) {
      const value: unknown = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      if (key === 'query' || key === 'exec') return (...args: unknown[]) => reporting(() => value.apply(target, args))
      if (key === 'connect') return (...args: unknown[]) => lend(value.bind(target), args)
      if (key === 'transaction') {
        return (work: (tx: object) => unknown, ...rest: unknown[]) => {
          // What the work throws for reasons of its own rolls back, and is no failure of the store. Its statements,
          // watched themselves, have reported already.
          let own: unknown
          const noting = async (tx: object) => {
            try {
              return await work(watched(tx))
            } catch (error) {
              own = error
              throw error
            }
          }
          return reporting(
            () => value.call(target, noting, ...rest),
            undefined,
            (error) => error === own
          )
        }
      }
      return value.bind(target)
    }
  })
}

function reporting(
  start: () => unknown,
  onFailure?: (error: unknown) => void,
  isExpected: (error: unknown) => boolean = () => false
): unknown {
  const report = failureReporter()
  const outcome = start()
  if (!(outcome instanceof Promise)) return outcome
  return outcome.catch((error: unknown) => {
    if (!isExpected(error)) report(error)
    onFailure?.(error)
    throw error
  })
}

function lend(connect: (...args: unknown[]) => unknown, args: unknown[]): unknown {
  const client = reporting(() => connect(...args))
  return client instanceof Promise ? client.then(lent) : client
}

interface Lent {
  query(...args: unknown[]): unknown
  release(error?: Error | boolean): void
}

function isLent(client: unknown): client is Lent {
  return typeof client === 'object' && client !== null && 'release' in client && 'query' in client
}

function lent(client: unknown): unknown {
  if (!isLent(client)) return client
  let failed = false
  let released = false
  const release = (error?: Error | boolean) => {
    if (released) return
    released = true
    client.release(error ?? failed)
  }
  return new Proxy(client, {
    get(_, key) {
      const value: unknown = Reflect.get(client, key)
      if (typeof value !== 'function') return value
      if (key === 'release') return release
      if (key !== 'query') return value.bind(client)
      return (...args: unknown[]) =>
        reporting(
          () => value.apply(client, args),
          (error) => {
            failed ||= isStoreFailure(error)
            // Drizzle never releases a client whose BEGIN failed: ten of those in an outage would empty the pool for good.
            if (isBegin(args[0])) release(true)
          }
        )
    }
  })
}

function isBegin(statement: unknown): boolean {
  const text =
    typeof statement === 'object' && statement !== null && 'text' in statement ? statement.text : (statement ?? '')
  return typeof text === 'string' && /^\s*begin\b/i.test(text)
}
