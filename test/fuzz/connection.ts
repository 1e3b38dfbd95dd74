import { connect } from 'node:net'
import type { Random } from './random.ts'

const mostKept = 256 * 1_024

export interface Dialogue {
  /** Everything that came back, as Latin-1, up to 256 KiB. */
  readonly received: string
  /** Whether the other side has ended it. */
  readonly ended: boolean
}

/**
 * Sends bytes as a client might that is slow, hasty or broken: at once or in drips, then it waits, says that it is done,
 * or goes away in the middle. Never longer than `limitMs`.
 */
export function converse(port: number, bytes: Buffer, random: Random, limitMs: number): Promise<Dialogue> {
  const drips = random.chance(0.25)
  const leavesEarly = random.chance(0.2)
  const endsItsSide = random.chance(0.3)
  const patienceMs = leavesEarly ? random.below(8) : random.chance(0.02) ? limitMs : 60 + random.below(200)
  const step = 1 + random.below(40)
  const resets = random.chance(0.5)

  return new Promise((resolve) => {
    let received = ''
    let ended = false
    const socket = connect(port, '127.0.0.1')
    socket.setEncoding('latin1')
    const leave = () => (resets ? socket.resetAndDestroy() : socket.destroy())
    const limit = setTimeout(leave, limitMs)
    let patience = setTimeout(leave, limitMs)
    const waitOn = () => {
      clearTimeout(patience)
      patience = setTimeout(leave, patienceMs)
    }
    const finish = () => {
      if (endsItsSide && !socket.destroyed) socket.end()
      waitOn()
    }
    const drip = (from: number) => {
      if (socket.destroyed) return
      if (from >= bytes.length) return finish()
      socket.write(bytes.subarray(from, from + step))
      if (leavesEarly && from > bytes.length / 2) leave()
      else setTimeout(drip, 1, from + step)
    }
    socket.on('connect', () => {
      if (drips && bytes.length < 2_000) drip(0)
      else {
        socket.write(bytes)
        finish()
      }
    })
    socket.on('data', (text) => {
      if (received.length < mostKept) received += text
      if (!leavesEarly) waitOn()
    })
    socket.on('end', () => {
      ended = true
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      clearTimeout(limit)
      clearTimeout(patience)
      resolve({ received, ended })
    })
  })
}
