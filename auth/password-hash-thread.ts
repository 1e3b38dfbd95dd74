import { timingSafeEqual } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { argon2i, argon2id, bcryptVerify } from 'hash-wasm'
import type { ThreadTask } from './verify-imported-hash.ts'

// A thread that verifies one password and ends. The hash was read and held against its bounds by whoever started it.
const task: ThreadTask = workerData
parentPort?.postMessage(await isRight(task))

async function isRight(task: ThreadTask): Promise<boolean> {
  if (task.kind === 'bcrypt') return bcryptVerify({ password: task.password, hash: task.encoded })
  const derive = task.type === 'argon2id' ? argon2id : argon2i
  const made = await derive({
    password: task.password,
    salt: task.salt,
    memorySize: task.memoryKib,
    iterations: task.passes,
    parallelism: task.lanes,
    hashLength: task.key.length,
    outputType: 'binary'
  })
  return timingSafeEqual(made, task.key)
}
