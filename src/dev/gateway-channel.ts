import { z } from 'zod'

/** So many mails are kept, the latest. */
export const mailsKept = 50

// What the supervisor and the gateway that it has started say to each other. The policy file runs in the gateway's process
// and may send messages of its own, so that those of the gateway are read with care.

const text = z.string()
const lines = z.array(text)
const exitCode = z.union([z.literal(1), z.literal(2)])

const exchange = z.object({
  requestId: text,
  method: text,
  /** Without the query; the client's own text. */
  path: text,
  status: z.number().optional(),
  code: text.optional(),
  outcome: text,
  ms: z.number(),
  userId: text.optional(),
  /** Of the terminal, and of nothing that is kept. */
  email: text.optional(),
  /** The path of the policy's rule, `none` where none names the request; missing for what the gateway answers itself. */
  rule: text.optional(),
  /** Why it was refused. */
  why: text.optional()
})

const mail = z.object({
  at: z.number(),
  to: text,
  subject: text,
  url: text.optional(),
  code: text.optional()
})

const fromGateway = z.discriminatedUnion('kind', [
  /** The settings can be used; it waits for `go`. `files`: what the policy was read from. */
  z.object({ kind: z.literal('loaded'), files: lines, unsent: lines }),
  /** It cannot start, and ends. */
  z.object({ kind: z.literal('problems'), lines, exitCode, files: lines }),
  z.object({
    kind: z.literal('ready'),
    publicUrl: text,
    adminUrl: text,
    port: z.number(),
    /** The path of the policy file, where there is one. */
    policy: text.optional(),
    mailPage: text.optional()
  }),
  z.object({ kind: z.literal('exchange'), exchange }),
  z.object({ kind: z.literal('mail'), mail }),
  /** The answer to `user`: the link, or where there is none, why. */
  z.object({ kind: z.literal('link'), url: text.optional(), why: text.optional() })
])

export type FromGateway = z.output<typeof fromGateway>
export type SeenExchange = z.output<typeof exchange>
export type SeenMail = z.output<typeof mail>

/** A message of the gateway's; undefined where it is somebody else's. */
export function readFromGateway(message: unknown): FromGateway | undefined {
  return fromGateway.safeParse(message).data
}

const toGateway = z.discriminatedUnion('kind', [
  /** Open the database and listen. `mails`: those of earlier gateways of this supervisor. */
  z.object({ kind: z.literal('go'), mails: z.array(mail) }),
  /** Make this user and a link to sign in. `takesExisting`: whether somebody who is there may be signed in. */
  z.object({ kind: z.literal('user'), email: text, takesExisting: z.boolean() })
])

export type ToGateway = z.output<typeof toGateway>

/** A message of the supervisor's; undefined where it is somebody else's. */
export function readToGateway(message: unknown): ToGateway | undefined {
  return toGateway.safeParse(message).data
}
