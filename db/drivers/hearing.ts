import { randomBytes } from 'node:crypto'
import { NotificationsNotHeardError } from '../errors.ts'
import type { WireClient, WirePool } from './pooled.ts'
import { within } from './within.ts'

/**
 * Has another connection notify this one. A pooler that lends connections by the transaction takes a LISTEN and delivers
 * nothing, and so does another database than the one that is written to: silence would be taken for good news. Rejects
 * with `NOTIFICATIONS_NOT_HEARD`, or with what the database says.
 */
export async function requireHearing(client: WireClient, pool: WirePool, withinMs: number): Promise<void> {
  // A channel for this alone, so that it is no event for anybody.
  const channel = `gatehouse_${randomBytes(8).toString('hex')}`
  const heard = Promise.withResolvers<void>()
  client.on('notification', (message) => {
    if (message.channel === channel) heard.resolve()
  })
  await client.query(`listen ${channel}`)
  await pool.query(`notify ${channel}`)
  await within(withinMs, heard.promise, 'the notification did not come').catch(() => {
    throw new NotificationsNotHeardError()
  })
  await client.query(`unlisten ${channel}`)
}
