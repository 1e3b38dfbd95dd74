import type { Worker } from 'node:cluster'
import type { DrainOptions } from '../drain.ts'
import type { Failure } from '../failure.ts'
import type { ReadinessReport } from '../readiness.ts'
import type { Team } from '../team.ts'
import { type FromPrimary, type FromWorker, fromPrimary } from './messages.ts'
import { Questions } from './questions.ts'

type Reply = Extract<FromPrimary, { id: number }>

// The primary does little else than answer.
const answerWithinMs = 5_000

/** A worker's side of the talk with its primary. */
export interface Membership {
  /** Rejects when the primary does not answer. */
  join(): Promise<Team>
  ready(publicUrl: string, port: number): void
  /** Resolves when it has been said. */
  failed(failure: Failure): Promise<void>
  /** Another worker may take this one's place. */
  leaving(): void
  onDrain(listener: (options: DrainOptions) => void): void
}

/** Opens it, in a worker's process. */
export function createMembership(worker: Worker): Membership {
  const questions = new Questions<Reply>(answerWithinMs)
  const listeners: ((event: string) => void)[] = []
  let drain: (options: DrainOptions) => void = () => {}
  let report = async (): Promise<ReadinessReport> => ({ ready: false, degraded: [] })

  // A primary that is gone takes this process with it; there is nobody to tell that a message was lost.
  const say = (message: FromWorker) =>
    new Promise<void>((resolve) => {
      worker.send(message, () => resolve())
    })

  worker.on('message', (sent: unknown) => {
    const read = fromPrimary.safeParse(sent)
    if (!read.success) return
    const message = read.data
    if (message.kind === 'changed') for (const listener of listeners) listener(message.event)
    else if (message.kind === 'drain') drain(message)
    else if (message.kind === 'how are you')
      void report().then(({ ready, degraded }) =>
        say({ kind: 'report', id: message.id, ready, degraded: [...degraded] })
      )
    else questions.answered(message)
  })

  return {
    async join() {
      const welcome = await questions.ask((id) => say({ kind: 'join', id }))
      if (welcome.kind !== 'welcome') throw new Error('the primary answers something else')
      const { size, adminUrl, served } = welcome
      return {
        size,
        adminUrl,
        served,
        counters: {
          async take(allowance, key) {
            const answer = await questions.ask((id) => say({ kind: 'take', id, allowance, key }))
            if (answer.kind !== 'taken') throw new Error('the primary answers something else')
            return answer.wait
          },
          async giveBack(allowance, key) {
            await questions.ask((id) => say({ kind: 'give back', id, allowance, key }))
          }
        },
        tell: (event) => void say({ kind: 'changed', event }),
        onTold: (listener) => void listeners.push(listener),
        reportWith(answer) {
          report = answer
        }
      }
    },
    ready: (publicUrl, port) => void say({ kind: 'ready', publicUrl, port }),
    failed: ({ lines, exitCode }) => say({ kind: 'failed', lines: [...lines], exitCode }),
    leaving: () => void say({ kind: 'leaving' }),
    onDrain(listener) {
      drain = listener
    }
  }
}
