import { promiseHooks } from 'node:v8'
import type { Counter } from './header-copies.ts'

/** Counts the promises that this process creates, those of `async` functions and of libraries included. */
export function countPromises(): Counter {
  let count = 0
  const stop = promiseHooks.onInit(() => {
    count++
  })
  return {
    get count() {
      return count
    },
    stop: () => stop()
  }
}
