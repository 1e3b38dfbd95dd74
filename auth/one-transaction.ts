import { runWithTransaction } from '@better-auth/core/context'
import type { Auth } from './better-auth.ts'

/**
 * Endpoints that use up a mailed token before they do what it is for. BetterAuth itself does both in one transaction for a
 * new password, and for these it does not. Deleting an account is none of them: what the policy file does after it must
 * find it done.
 */
const paths: ReadonlySet<string> = new Set(['/magic-link/verify'])

/** The work failed, so nothing of it may stay. */
class Undone extends Error {}

/**
 * Runs one call of BetterAuth, whose path is below `/api/auth`. A mailed link that signs in is used up in the same
 * transaction in which the session is made, so that a failure leaves it as it was. Resolves and rejects as the work does.
 */
export async function inOneTransaction(
  path: string,
  { $context }: Pick<Auth, '$context'>,
  work: () => Promise<Response>
): Promise<Response> {
  if (!paths.has(path)) return work()
  const { adapter } = await $context
  let response: Response | undefined
  try {
    await runWithTransaction(adapter, async () => {
      response = await work()
      if (response.status >= 500) throw new Undone()
    })
  } catch (error) {
    if (!(error instanceof Undone)) throw error
  }
  if (response === undefined) throw new Undone()
  return response
}
