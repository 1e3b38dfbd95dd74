import { parse } from 'bowser'
import type { ListedSession, SessionPage } from '../../db/session-queries.ts'
import { deviceEventsAddress, devicesPerPage } from './device-event-stream.ts'
import type { FormError } from './messages.ts'
import type { PageAddresses } from './page-addresses.ts'
import { alertBox, type Html, hidden, html } from './page-markup.ts'

/** What the account page's list of devices shows. */
export interface DeviceListView {
  readonly addresses: PageAddresses
  /** The user's sessions: each is a browser or program in which the user is signed in. */
  readonly devices: SessionPage
  /** The id of the session that asks for this page. */
  readonly currentDevice: string
}

const unknownDevice = 'Unknown device'
const longestAgent = 400

/** The browser and its system that a `User-Agent` names, for instance "Firefox on Linux", or as much as can be told. */
export function deviceLabel(userAgent: string): string {
  const agent = userAgent.slice(0, longestAgent)
  if (agent.trim() === '') return unknownDevice
  const { browser, os, platform } = parse(agent)
  const system = platform.model ?? os.name
  if (browser.name) return system ? `${browser.name} on ${system}` : browser.name
  // Programs that are not browsers mostly begin with their own name, such as "curl/8.5.0".
  const program = /^[A-Za-z][\w.-]{1,30}(?=\/|$)/.exec(agent)?.[0]
  return program ?? system ?? unknownDevice
}

/** The address of a session as it is shown. IPv6 addresses, which are stored in full length, are shortened (RFC 5952). */
function deviceAddress(address: string): string {
  const url = `http://[${address}]`
  return address.includes(':') && URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : address
}

/** The devices of one page, each with a button that signs it out. The pages' script follows the event stream about them. */
export function devicesCard(view: DeviceListView, error: FormError | undefined): Html {
  const { sessions, total, page, pages } = view.devices
  const { account } = view.addresses
  const first = (page - 1) * devicesPerPage + 1
  return html`<section class="card" aria-labelledby="devices-title">
<h2 id="devices-title">Devices</h2>
${alertBox(error)}
<p class="hint">This is where you are signed in. If you do not recognise a device, sign it out and change your password.</p>
${pages > 1 && html`<p class="hint">${first} to ${first + sessions.length - 1} of ${total}, those last used first.</p>`}
<ul class="devices" data-account="${account}" data-live="${deviceEventsAddress(
    view.addresses,
    sessions.map(({ id }) => id)
  )}">
${sessions.map((session) => deviceItem(account, session, session.id === view.currentDevice, page))}
</ul>
<p class="away" role="status" data-live-note></p>
${pages > 1 && devicePages(account, page, pages)}
<form method="post" action="${account}/devices/revoke-others" data-others ${total < 2 && html`hidden`}>
<button class="quiet">Sign out all other devices</button></form>
</section>`
}

function devicePages(account: string, page: number, pages: number): Html {
  const addressOf = (number: number) => (number === 1 ? account : `${account}?devices=${number}`)
  return html`<nav class="pages" aria-label="Devices">
${page > 1 && html`<a href="${addressOf(page - 1)}#devices-title" rel="prev">Newer</a>`}
<span>Page ${page} of ${pages}</span>
${page < pages && html`<a href="${addressOf(page + 1)}#devices-title" rel="next">Older</a>`}
</nav>`
}

// A device is named by the session's id, which signs nobody in. The session's token does, and is on no page.
function deviceItem(account: string, session: Omit<ListedSession, 'token'>, isCurrent: boolean, page: number): Html {
  const { id, createdAt, updatedAt } = session
  const label = deviceLabel(session.userAgent ?? '')
  const address = deviceAddress(session.ipAddress ?? '')
  return html`<li data-device="${id}"><div>
<p class="label">${label}${isCurrent && html` <span class="tag">this device</span>`}</p>
<p class="hint">${isCurrent ? 'In use now' : html`Last used ${time(updatedAt)}`}${address !== '' && html` <span class="address">from ${address}</span>`}</p>
<p class="hint">Signed in ${time(createdAt)}</p></div>
${
  !isCurrent &&
  html`<form method="post" action="${account}/devices/revoke">
${page > 1 && hidden('page', page)}
<button class="quiet small" name="device" value="${id}" aria-label="Sign out ${label}">Sign out</button></form>`
}</li>`
}

// The day in UTC. The pages' script replaces it by the time where the reader is.
function time(date: Date): Html {
  const iso = date.toISOString()
  return html`<time datetime="${iso}">${iso.slice(0, 10)}</time>`
}
