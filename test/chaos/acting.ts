import { type Answer, Browser } from '../support/browser.ts'
import type { Session } from './model.ts'
import type { Replica } from './world.ts'

/** A browser with this session's cookie. */
export function browserOf(replica: Replica, session: Session): Browser {
  const browser = new Browser(replica.url, replica.publicUrl)
  for (const pair of session.cookie.split('; ')) {
    const equals = pair.indexOf('=')
    browser.cookies.set(pair.slice(0, equals), pair.slice(equals + 1))
  }
  return browser
}

/** Asks BetterAuth for something as this session. */
export function post(replica: Replica, session: Session, action: string, body: object = {}): Promise<Answer> {
  return browserOf(replica, session).post(`/api/auth/${action}`, body)
}
