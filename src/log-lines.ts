import { type DestinationStream, destination } from 'pino'

/** Writes log lines; `flushSync` has them out when it returns. */
export interface LineWriter extends DestinationStream {
  flushSync(): void
}

/**
 * Standard output for log lines: those of one turn of the event loop are written together, and nobody waits for whoever
 * reads them. Refusing a flood of requests would otherwise cost more in writing it down than in refusing. `atExit` is
 * given what writes the last of them.
 */
export function createLineWriter(atExit: (work: () => void) => void): LineWriter {
  const out = destination({ sync: false })
  let lines = ''

  function flush(): void {
    if (lines === '') return
    out.write(lines)
    lines = ''
  }
  function flushSync(): void {
    flush()
    out.flushSync()
  }
  atExit(flushSync)
  return {
    write(line) {
      if (lines === '') setImmediate(flush)
      lines += line
    },
    flushSync
  }
}
