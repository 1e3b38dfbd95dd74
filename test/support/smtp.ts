import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import type { Teardown } from './postgres.ts'

const folder = new URL('../proxy/certificates/', import.meta.url)

/** The authority that signed the certificate of a server with TLS, which is for `localhost` and `127.0.0.1`. */
export const authority = fileURLToPath(new URL('ca.pem', folder))

/** A mail as a server has taken it. */
export interface TakenMail {
  readonly from: string
  readonly to: readonly string[]
  /** Header and body as they were sent. */
  readonly raw: string
  /** The header lines, unfolded. */
  readonly headers: readonly string[]
  /** The whole text with its transfer encoding undone, whatever its parts are. */
  readonly words: string
  readonly wasSecure: boolean
  readonly user: string | undefined
}

export interface SmtpOptions extends Omit<SMTPServerOptions, 'onAuth' | 'onData' | 'key' | 'cert'> {
  /** The only user, whose password is `open sesame`; without one everybody may send. */
  readonly user?: string
  /** Whether it has TLS, which STARTTLS begins unless `secure`. */
  readonly tls?: boolean
  /** What it says to a mail that it does not take. */
  readonly refusal?: string
}

/** An SMTP server on a free port of this machine that keeps what it takes, closed with the test. */
export async function startSmtp(t: Teardown, { user, tls = false, refusal, ...options }: SmtpOptions = {}) {
  const mails: TakenMail[] = []
  let connections = 0
  const server = new SMTPServer({
    authOptional: user === undefined,
    allowInsecureAuth: !tls,
    hideSTARTTLS: !tls,
    disableReverseLookup: true,
    logger: false,
    ...(tls && {
      key: readFileSync(new URL('upstream.key.pem', folder)),
      cert: readFileSync(new URL('upstream.pem', folder))
    }),
    ...options,
    onConnect(_session, done) {
      connections++
      done()
    },
    onAuth({ username, password }, _session, done) {
      if (username === user && password === 'open sesame') done(null, { user: username })
      else done(new Error('no'))
    },
    onRcptTo(_address, _session, done) {
      if (refusal === undefined) done()
      else done(Object.assign(new Error(refusal), { responseCode: 550 }))
    },
    onData(stream, { envelope, secure, user: sender }, done) {
      text(stream).then((raw) => {
        mails.push({
          from: envelope.mailFrom === false ? '' : envelope.mailFrom.address,
          to: envelope.rcptTo.map(({ address }) => address),
          raw,
          headers: raw
            .slice(0, raw.indexOf('\r\n\r\n'))
            .replaceAll(/\r\n[ \t]+/g, ' ')
            .split('\r\n'),
          words: decoded(raw),
          wasSecure: secure,
          user: sender
        })
        done()
      }, done)
    }
  })
  // Clients that refuse the certificate break off, which is what they should do.
  server.on('error', () => {})
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  t.teardown(() => new Promise<void>((resolve) => server.close(resolve)))
  const address = server.server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port')
  return { port: address.port, mails, connections: () => connections }
}

function decoded(raw: string): string {
  if (!/quoted-printable/i.test(raw)) return raw
  const bytes = raw
    .replaceAll('=\r\n', '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
