import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { Transporter } from 'nodemailer'
import type { Logger } from 'pino'
import { codeOf } from '../../db/error-code.ts'
import { Semaphore } from '../../db/semaphore.ts'
import { isRecord } from '../../db/type-guards.ts'
import type { Deliver } from './mail-senders.ts'
import { type Mail, type MailTemplates, writeMail } from './mail-templates.ts'

/** `mail` of the policy file: the server that takes mails by SMTP, and their words. */
export interface MailSettings {
  /** `smtp://user:password@host:port` or `smtps://…`, instead of `host`, `port`, `secure`, `user` and `password`. */
  readonly url?: string
  readonly host?: string
  /** Default: 465 where `secure` says so, else 587. */
  readonly port?: number
  /** TLS from the first byte, as port 465 has it. Default: STARTTLS, without which nothing is sent. */
  readonly secure?: boolean
  readonly user?: string
  readonly password?: string
  /** False: without TLS at all, for a server on this machine or in its own network. Default: true, but for loopback addresses. */
  readonly tls?: boolean
  /** A PEM file with certificates to trust beside the system's. Relative to the policy file. */
  readonly caFile?: string
  /** The sender, `accounts@example.com` or `Example <accounts@example.com>`. */
  readonly from: string
  readonly replyTo?: string
  /** The words of mails, by what they are for. */
  readonly templates?: MailTemplates
}

export interface SmtpOptions {
  readonly settings: MailSettings
  /** Links of mails lead nowhere else. */
  readonly publicUrl: string
  /** What `{app}` stands for. */
  readonly app: string
  readonly log: Pick<Logger, 'error'>
  /** Is handed each mail's sending, which never rejects. */
  readonly background: (task: Promise<void>) => void
}

const atOnce = 4
const mostWaiting = 1_000
const connectMs = 10_000
const silentMs = 30_000

/** An address as SMTP has it without quoting (RFC 5321, `Dot-string`), non-ASCII letters included. No other can be sent to. */
const plainAddress = /^[^\s\u0000-\u0020\u007f"(),:;<>@[\\\]]{1,64}@[^\s\u0000-\u0020\u007f"(),:;<>@[\\\]]{1,255}$/

/** Delivers mails by SMTP, a few at a time. What cannot be sent is logged without its address and words. */
export function createSmtpDelivery({ settings, publicUrl, app, log, background }: SmtpOptions): Deliver {
  const queue = new Semaphore({ permits: atOnce, maxWaiting: mostWaiting })
  let transport: Promise<Transporter> | undefined
  async function send(mail: Mail): Promise<void> {
    if (mail.url !== undefined && URL.parse(mail.url)?.origin !== publicUrl) throw new UnsendableError('FOREIGN_LINK')
    if (!plainAddress.test(mail.to)) throw new UnsendableError('ADDRESS_UNUSABLE')
    const release = await queue.acquire()
    try {
      transport ??= openTransport(settings)
      // As an object: a text would be parsed, and could be read as several addresses.
      const to = { name: '', address: mail.to }
      const { from, replyTo } = settings
      // No machine answers such a mail (RFC 3834, section 5).
      const headers = { 'Auto-Submitted': 'auto-generated' }
      await (await transport).sendMail({ from, replyTo, to, headers, ...writeMail(mail, app, settings.templates) })
    } finally {
      release()
    }
  }
  return function deliver(mail) {
    background(
      send(mail).catch((error: unknown) => {
        log.error({ mail: mail.kind, reason: reasonOf(error), answer: answerOf(error) }, 'a mail could not be sent')
      })
    )
  }
}

/** Tries whether the server takes mails: its certificate, the user and the password. Rejects with nodemailer's coded error. */
export async function trySmtp(settings: MailSettings): Promise<void> {
  const transport = await openTransport(settings)
  await transport.verify()
}

class UnsendableError extends Error {
  readonly code: string

  constructor(code: string) {
    super(code)
    this.code = code
  }
}

/** Why a mail could not be sent, in nodemailer's code such as EAUTH; its message may have the address in it. */
export function reasonOf(error: unknown): string {
  return codeOf(error) ?? (error instanceof Error ? error.name : 'unknown')
}

/** The server's status, such as 550. */
function answerOf(error: unknown): number | undefined {
  const answer = isRecord(error) ? error['responseCode'] : undefined
  return typeof answer === 'number' ? answer : undefined
}

/** The server's address, port and TLS, and who signs in there. */
export function smtpServerOf(settings: MailSettings) {
  const url = settings.url === undefined ? undefined : new URL(settings.url)
  const host = (url?.hostname ?? settings.host ?? '').replace(/^\[|\]$/g, '')
  const secure = url === undefined ? settings.secure === true : url.protocol === 'smtps:'
  const port = url === undefined ? settings.port : url.port === '' ? undefined : Number(url.port)
  const user = url === undefined || url.username === '' ? settings.user : decodeURIComponent(url.username)
  const password = url === undefined || url.password === '' ? settings.password : decodeURIComponent(url.password)
  // A name may begin with 127 and be anybody's.
  const isLocal = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
  return { host, secure, port: port ?? (secure ? 465 : 587), user, password, tls: settings.tls ?? (secure || !isLocal) }
}

async function openTransport(settings: MailSettings): Promise<Transporter> {
  const { host, port, secure, user, password, tls } = smtpServerOf(settings)
  const { caFile } = settings
  // Loaded with the first mail: most gateways never send one.
  const [{ createTransport }, { rootCertificates }] = await Promise.all([import('nodemailer'), import('node:tls')])
  return createTransport({
    host,
    port,
    secure,
    requireTLS: tls && !secure,
    ignoreTLS: !tls,
    ...(user !== undefined && { auth: { user, pass: password ?? '' } }),
    tls: {
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...(caFile !== undefined && { ca: [...rootCertificates, readFileSync(caFile, 'utf8')] })
    },
    connectionTimeout: connectMs,
    greetingTimeout: connectMs,
    socketTimeout: silentMs,
    // A template is words, and nothing in it is fetched or read from a file.
    disableFileAccess: true,
    disableUrlAccess: true
  })
}
