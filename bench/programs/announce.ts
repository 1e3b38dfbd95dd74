import type { Server } from 'node:http'

/** Listens on a free port of this machine and prints it, for whoever started this program. */
export function announce(server: Server): void {
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    process.stdout.write(`port ${address !== null && typeof address === 'object' ? address.port : 0}\n`)
  })
}

/** What the benchmark said to this program: the JSON of its only argument. */
export function told(): Record<string, string> {
  return JSON.parse(process.argv[2] ?? '{}')
}
