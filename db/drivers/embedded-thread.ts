import { setFlagsFromString } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'

// The thread that owns the embedded database. Postgres compiled to WebAssembly computes in the thread that calls it, so
// in the gateway's own every request would wait for every statement. It answers messages of Postgres' wire protocol.
if (parentPort === null) throw new Error('this is a thread of the gateway, not a program')
const port = parentPort
const directory: string = workerData

// V8 compiles a WebAssembly function that runs often a second time and keeps the memory in which it did that: 60 MB, for
// 30 % of a statement's time. The flags are the process's, so they hold only while Postgres is being loaded.
for (const flag of ['--no-wasm-tier-up', '--no-wasm-dynamic-tiering']) setFlagsFromString(flag)
const pglite = await PGlite.create(directory, {
  // The default of 128 MB becomes resident as a whole. 4 MB hold a gateway's tables, and the kernel caches the files.
  startParams: [...PGlite.defaultStartParams, '-c', 'shared_buffers=4MB']
})
for (const flag of ['--wasm-tier-up', '--wasm-dynamic-tiering']) setFlagsFromString(flag)

const terminate = 'X'.charCodeAt(0)

// Whatever throws in here ends the thread, and the gateway starts another.
port.on('message', async (message: Uint8Array | 'close') => {
  if (message === 'close') {
    await pglite.close()
    port.close()
  } else if (message[0] !== terminate) await answer(message)
})
port.postMessage('ready')

async function answer(messages: Uint8Array): Promise<void> {
  const parts: Uint8Array<ArrayBuffer>[] = []
  await pglite.execProtocolRawStream(messages, {
    onRawData(bytes) {
      parts.push(bytes.slice())
    }
  })
  // PGlite swallows a crash of the machine code. All that shows is that there is no answer.
  if (parts.length === 0) throw new Error('the embedded database gave no answer')
  for (const part of parts) port.postMessage(part, [part.buffer])
}
