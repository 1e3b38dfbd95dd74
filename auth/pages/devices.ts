import { parse } from 'bowser'
import type { ListedSession } from '../../db/session-queries.ts'
import type { SessionReference } from '../live-sessions.ts'
import { subjectOf } from '../session-decision.ts'

/** A browser or program in which the user is signed in: one session, told so that a person recognises it. */
export interface Device {
  /** The session's id. It lets nobody in: that is the token, which no page ever holds. */
  readonly id: string
  readonly token: string
  /** For instance "Firefox on Linux". */
  readonly label: string
  readonly address: string | undefined
  readonly signedInAt: Date
  /** When the session was last prolonged, which happens once in a while as long as it is used. */
  readonly lastUseAt: Date
  readonly expiresAt: Date
}

/** How many devices a page shows. */
export const devicesAPage = 20

/** The device of a session. */
export function deviceOf({ id, token, userAgent, ipAddress, createdAt, updatedAt, expiresAt }: ListedSession): Device {
  return {
    id,
    token,
    label: deviceLabel(userAgent ?? ''),
    address: shortAddress(ipAddress ?? ''),
    signedInAt: createdAt,
    lastUseAt: updatedAt,
    expiresAt
  }
}

// IPv6 addresses are kept in full length, and by their network: the rest of them is zeros.
function shortAddress(address: string): string | undefined {
  if (address === '') return undefined
  const url = `http://[${address}]`
  return address.includes(':') && URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : address
}

/** A session, as live connections are tied to it. */
export function referenceOf({ token, expiresAt }: ListedSession, userId: string): SessionReference {
  return { token, userId, session: subjectOf(token), user: subjectOf(userId), expiresAt: expiresAt.getTime() }
}

const unknownDevice = 'Unknown device'
const longestAgent = 400

/** A browser and its system out of a `User-Agent`, or what comes nearest to it. */
export function deviceLabel(userAgent: string): string {
  const agent = userAgent.slice(0, longestAgent)
  if (agent.trim() === '') return unknownDevice
  const { browser, os, platform } = parse(agent)
  const where = platform.model ?? os.name
  if (browser.name) return where ? `${browser.name} on ${where}` : browser.name
  // What is no browser mostly begins with its own name: "curl/8.5.0".
  const program = /^[A-Za-z][\w.-]{1,30}(?=\/|$)/.exec(agent)?.[0]
  return program ?? where ?? unknownDevice
}
