import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Node reads every piece of a body into memory outside V8's heap, and V8 looks for what is garbage there only once 64 MB
// of it have come together, and then through its whole heap (docs/performance.md, "Large bodies").
const collectEvery = 25_165_824

let passed = 0
let gc: NodeJS.GCFunction | undefined

/**
 * Counts the bytes of a piece of a body that has passed, and has V8 collect what is young after every 24 MiB of them: so
 * much garbage at most waits for it, and what is old is not looked at.
 */
export function countPassed(bytes: number): void {
  passed += bytes
  if (passed < collectEvery) return
  passed = 0
  gc ??= collector()
  gc({ type: 'minor' })
}

/**
 * Collects all garbage and gives the memory back to the system. A start leaves some 30 MB that V8 would otherwise keep
 * for as long as nothing needs room. Takes about 0.1 s.
 */
export function collectEverything(): void {
  gc ??= collector()
  gc({ type: 'major', flavor: 'last-resort' })
}

// Node documents `--expose-gc` and `v8.setFlagsFromString`; set so late, it shows in contexts that are made afterwards.
function collector(): NodeJS.GCFunction {
  setFlagsFromString('--expose-gc')
  const gc: NodeJS.GCFunction = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  return gc
}
