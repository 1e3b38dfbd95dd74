import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Node reads every chunk of a body into memory outside V8's heap. V8 frees such memory only in a collection of its whole
// heap, and begins one only once 64 MB have come together (docs/performance.md, "Large bodies").
const collectEveryBytes = 25_165_824

let passedBytes = 0
let gc: NodeJS.GCFunction | undefined

/**
 * Counts the bytes of a chunk of a body that has passed, and has V8 collect its young generation after every 24 MiB: that
 * frees the chunks, at most 24 MiB of which wait for it, and does not look at the old generation.
 */
export function countPassed(bytes: number): void {
  passedBytes += bytes
  if (passedBytes < collectEveryBytes) return
  passedBytes = 0
  gc ??= exposedGc()
  gc({ type: 'minor' })
}

/**
 * Collects all garbage that a start leaves, some 30 MB that V8 would otherwise keep until it needs the room, and gives the
 * memory back to the system; takes about 0.1 s. From then on V8 collects nothing more only because the process has been idle
 * for eight seconds: such a collection clears what compiled code refers to while no request holds it, V8 throws that code
 * away, and the next thousands of requests cost up to twice as much (docs/performance.md, "Misses").
 */
export function collectAfterStart(): void {
  gc ??= exposedGc()
  gc({ type: 'major', flavor: 'last-resort' })
  setFlagsFromString('--memory-reducer-gc-count=0')
}

// Node documents `--expose-gc` and `v8.setFlagsFromString`. Set at run time, the flag gives `gc` to new contexts only.
function exposedGc(): NodeJS.GCFunction {
  setFlagsFromString('--expose-gc')
  const exposed: NodeJS.GCFunction = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  return exposed
}
