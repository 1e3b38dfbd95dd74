import { logEntry, readable } from './child.ts'
import type { SeenExchange, SeenMail } from './gateway-channel.ts'
import { type Colour, createPaint, inert, inertJson, inertLine } from './terminal-text.ts'

/** Where a gateway is. Scripts read it, as that of `gatehouse start`. */
interface Addresses {
  readonly publicUrl: string
  readonly adminUrl: string
  readonly port: number
}

/** What the welcome says of the rest, in words. */
interface Surroundings {
  readonly app: string
  readonly data: string
  readonly policy: string
  /** What the policy has no sender for. */
  readonly mails: readonly string[]
  readonly mailPage: string | undefined
}

/** All that `gatehouse dev` prints. */
export interface DevOutput {
  /** A sentence of the supervisor's. */
  say(text: string): void
  /** What is to be mended. */
  warn(text: string): void
  /** Where it is, once both the app and the gateway answer. */
  ready(addresses: Addresses, surroundings: Surroundings): void
  exchange(exchange: SeenExchange): void
  /** `page`: the address of the page that keeps it, where there is one. */
  mail(mail: SeenMail, page: string | undefined): void
  /** The link that signs the user of --user in, or why there is none. */
  link(email: string, link: { readonly url?: string | undefined; readonly why?: string | undefined }): void
  /** A line that the app has printed. */
  app(line: string): void
  /** A line that the gateway has printed. */
  gateway(line: string): void
}

type Write = (text: string) => void

/** Text for people, with who asked and with the links of mails: on a terminal, where it is read and not kept. */
export function createTerminalOutput(write: Write, colours: boolean): DevOutput {
  const paint = createPaint(colours)
  const line = (text: string) => write(`${text}\n`)
  const say = (text: string, colour: Colour = 'green') => line(`${paint(colour, '●')} ${inert(text, 2_000)}`)
  const row = (name: string, text: string) => line(`  ${paint('dim', name.padEnd(7))} ${text}`)

  return {
    say: (text) => say(text),
    warn: (text) => say(text, 'red'),
    ready({ publicUrl }, { app, data, policy, mails, mailPage }) {
      line(`\n  ${paint('bold', 'Gatehouse')} is on ${paint('cyan', publicUrl)}\n`)
      row('app', app)
      row('data', data)
      row('policy', policy)
      if (mails.length > 0) {
        row('mails', `${mails.join(', ')}: the policy has no sender for them, so they are shown here`)
        if (mailPage !== undefined) row('', `and on ${mailPage}`)
      }
      line(`\n  ${paint('dim', 'Ctrl-C stops everything.')}\n`)
    },
    exchange({ method, path, status, code, outcome, ms, email, rule, why }) {
      const colour = colourOf(status)
      const who = email === undefined ? paint('dim', rule === undefined ? 'by the gateway' : 'nobody') : inert(email)
      const parts = [
        paint(colour, String(status ?? '–')),
        paint('bold', inert(method).padEnd(6)),
        inert(path, 200),
        paint('dim', `${ms} ms`),
        email === undefined ? who : paint('cyan', who)
      ]
      if (rule !== undefined) parts.push(paint('dim', `rule ${inert(rule)}`))
      if (outcome !== 'finished') parts.push(paint('yellow', outcome))
      if (why !== undefined) parts.push(`${paint(colour, code ?? 'SESSION_REQUIRED')} ${inert(why)}`)
      line(parts.join('  '))
    },
    mail({ to, subject, url, code }) {
      line(`${paint('magenta', '✉')} ${paint('bold', inert(subject))}, to ${inert(to)}`)
      if (url !== undefined) line(`  ${paint('cyan', inert(url, 4_000))}`)
      if (code !== undefined) line(`  ${paint('cyan', inert(code))}`)
    },
    link(email, { url, why }) {
      if (url === undefined) return say(`--user ${email}: ${why ?? 'it did not work'}`, 'red')
      say(`Signs ${email} in, once, within ten minutes:`)
      line(`  ${paint('cyan', url)}`)
    },
    app: (text) => line(`${paint('blue', 'app')} ${inertLine(text)}`),
    gateway(text) {
      const entry = logEntry(text)
      const colour = (entry?.level ?? 0) < 40 ? 'dim' : 'yellow'
      // What was refused before it was a request has no more than a code.
      const code = entry?.message === 'request' ? entry.field('code') : undefined
      line(`${paint(colour, 'gateway')} ${code === undefined ? inertLine(readable(text)) : `refused: ${code}`}`)
    }
  }
}

/** JSON lines, which may be kept: with the users' ids instead of their addresses, and without links and codes. */
export function createJsonOutput(write: Write): DevOutput {
  function json(level: number, msg: string, fields: object = {}, name = 'gatehouse'): void {
    write(`${inertJson(JSON.stringify({ level, time: Date.now(), name, ...fields, msg }))}\n`)
  }

  return {
    say: (text) => json(30, text),
    warn: (text) => json(40, text),
    ready: ({ publicUrl, adminUrl, port }) => json(30, 'gatehouse ready', { publicUrl, adminUrl, port }),
    exchange({ email: _email, ...exchange }) {
      json((exchange.status ?? 0) >= 500 ? 40 : 30, 'request', exchange)
    },
    mail(_mail, page) {
      json(30, `a mail that the policy has no sender for${page === undefined ? '' : `; it is on ${page}`}`)
    },
    link: () => {},
    app: (text) => json(30, text.slice(0, 16_384), {}, 'app'),
    gateway(text) {
      if (logEntry(text) === undefined) json(30, text)
      else write(`${inertJson(text)}\n`)
    }
  }
}

function colourOf(status = 0): Colour {
  if (status >= 500 || status === 0) return 'red'
  if (status >= 400) return 'yellow'
  return status >= 300 ? 'cyan' : 'green'
}
