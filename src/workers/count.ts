import { availableParallelism } from 'node:os'
import type { Config } from '../config.ts'

/** How many processes WORKERS comes to on this machine. */
export function workerCount(workers: Config['workers']): number {
  return workers === 'auto' ? availableParallelism() : workers
}
