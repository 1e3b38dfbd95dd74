import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Client, Pool } from 'undici'

/** Counts until it is stopped. */
export interface Counter {
  readonly count: number
  stop(): void
}

/** A header that requests have to carry while copies are counted: lists of headers are known by it. */
export const markName = 'X-Marked'

const copying = ['slice', 'filter', 'map', 'flatMap', 'flat', 'concat', 'toSpliced', 'with', 'values'] as const

/**
 * Counts the collections of headers that this process makes, beyond what the parsers hand over, Node's `headers` object
 * and the raw lists: each copy of that object, each list that undici or `writeHead` is given, and each copy of such a list
 * by a method of arrays or by `...`. Each collection counts once. It slows everything down meanwhile.
 */
export function countHeaderCollections(): Counter {
  const known = new WeakSet<object>()
  const undo: (() => void)[] = []
  let count = 0

  const note = (headers: unknown) => {
    if (typeof headers !== 'object' || headers === null || known.has(headers)) return
    known.add(headers)
    count++
  }

  const onRequest = (message: unknown) => {
    const request =
      typeof message === 'object' && message !== null && 'request' in message ? message.request : undefined
    if (!(request instanceof IncomingMessage)) return
    known.add(request.rawHeaders)
    watchHeadersObject(request, () => count++)
  }
  subscribe('http.server.request.start', onRequest)
  undo.push(() => unsubscribe('http.server.request.start', onRequest))

  for (const { prototype } of [Pool, Client])
    undo.push(wrapArgument(prototype, 'dispatch', (args) => note(headersIn(args[0]))))
  undo.push(wrapArgument(ServerResponse.prototype, 'writeHead', (args) => note(args.at(-1))))
  for (const method of copying) {
    undo.push(
      wrap(Array.prototype, method, (list, result) => {
        if (!isHeaderList(list)) return
        if (!isRaw(list)) note(list)
        note(Array.isArray(result) ? result : {})
      })
    )
  }
  undo.push(wrap(Array.prototype, Symbol.iterator, (list) => isHeaderList(list) && note({})))

  return {
    get count() {
      return count
    },
    stop() {
      for (const step of undo.splice(0)) step()
    }
  }
}

// What lists the names of Node's headers object makes another one of it.
function watchHeadersObject(request: IncomingMessage, onCopy: () => void): void {
  const watched = new Proxy(request.headers, {
    ownKeys(target) {
      onCopy()
      return Reflect.ownKeys(target)
    }
  })
  Object.defineProperty(request, 'headers', { configurable: true, writable: true, value: watched })
}

function wrapArgument(target: object, name: PropertyKey, onCall: (args: readonly unknown[]) => void): () => void {
  return wrap(target, name, (_self, _result, args) => onCall(args))
}

function wrap(
  target: object,
  name: PropertyKey,
  onCall: (self: unknown, result: unknown, args: readonly unknown[]) => void
): () => void {
  const own = Object.getOwnPropertyDescriptor(target, name)
  const original: unknown = Reflect.get(target, name)
  if (typeof original !== 'function') throw new Error(`${String(name)} is no method`)
  let busy = false
  Object.defineProperty(target, name, {
    configurable: true,
    writable: true,
    value: function watch(this: unknown, ...args: unknown[]) {
      const result: unknown = Reflect.apply(original, this, args)
      // What the watcher itself calls does not count.
      if (busy) return result
      busy = true
      try {
        onCall(this, result, args)
      } finally {
        busy = false
      }
      return result
    }
  })
  return () => {
    if (own === undefined) Reflect.deleteProperty(target, name)
    else Object.defineProperty(target, name, own)
  }
}

const knownNames = new Set([markName.toLowerCase(), 'x-request-id'])

function isHeaderList(value: unknown): value is readonly unknown[] {
  if (!Array.isArray(value) || value.length < 4 || value.length % 2 !== 0) return false
  for (let i = 0; i < value.length; i += 2) {
    const name: unknown = value[i]
    if ((typeof name === 'string' || Buffer.isBuffer(name)) && knownNames.has(String(name).toLowerCase())) return true
  }
  return false
}

// As undici's parser hands it over.
function isRaw(list: readonly unknown[]): boolean {
  return Buffer.isBuffer(list[0])
}

function headersIn(options: unknown): unknown {
  return typeof options === 'object' && options !== null && 'headers' in options ? options.headers : undefined
}
