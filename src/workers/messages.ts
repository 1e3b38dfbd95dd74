import { z } from 'zod'

const id = z.number()
const allowance = z.object({ points: z.number(), seconds: z.number() })

/** What a worker says to its primary. `id` belongs to a question that is answered under the same `id`. */
export const fromWorker = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('join'), id }),
  z.object({ kind: z.literal('take'), id, allowance, key: z.string() }),
  z.object({ kind: z.literal('give back'), id, allowance, key: z.string() }),
  z.object({ kind: z.literal('report'), id, ready: z.boolean(), degraded: z.array(z.string()) }),
  z.object({ kind: z.literal('ready'), publicUrl: z.string(), port: z.number() }),
  z.object({ kind: z.literal('changed'), event: z.string() }),
  /** It will end, or has to be ended, for a reason that no second try would mend. */
  z.object({ kind: z.literal('failed'), lines: z.array(z.string()), exitCode: z.literal([1, 2]) }),
  /** It crashed, and only finishes what is in flight. */
  z.object({ kind: z.literal('leaving') })
])

/** What the primary says to a worker. */
export const fromPrimary = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('welcome'),
    id,
    size: z.number(),
    adminUrl: z.string(),
    served: z.object({ publicUrl: z.string(), port: z.number() }).optional()
  }),
  z.object({ kind: z.literal('taken'), id, wait: z.number().nullable() }),
  z.object({ kind: z.literal('given back'), id }),
  z.object({ kind: z.literal('how are you'), id }),
  z.object({ kind: z.literal('changed'), event: z.string() }),
  z.object({ kind: z.literal('drain'), delayMs: z.number(), timeoutMs: z.number() })
])

export type FromWorker = z.output<typeof fromWorker>
export type FromPrimary = z.output<typeof fromPrimary>
