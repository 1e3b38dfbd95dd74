import { resolve } from 'node:path'
import { z } from 'zod'
import { type MailKind, type mailKinds, templateProblems } from '../../auth/mail/mail-templates.ts'
import { type MailSettings, smtpServerOf } from '../../auth/mail/smtp-delivery.ts'
import { certificateProblem, refuse } from './variables.ts'

const oneLine = z.string('must be text').regex(/^[^\u0000-\u001f\u007f]+$/, 'must be one line of text')
const address = z
  .string('must be text')
  .regex(
    /^(?:[^<>"\u0000-\u001f\u007f]{0,100}<[^\s<>@",;:()]+@[^\s<>@",;:()]+>|[^\s<>@",;:()]+@[^\s<>@",;:()]+)$/,
    'must be one address, such as accounts@example.com or Example <accounts@example.com>'
  )
const words = z.string('must be text').min(1, 'must not be empty')

/** An `smtp:` or `smtps:` address, which may have a user and a password, and nothing after the port. */
const smtpUrl = z.string('must be an address').transform((text, context) => {
  const url = /\s/.test(text) ? null : URL.parse(text)
  const isSmtp = url !== null && ['smtp:', 'smtps:'].includes(url.protocol) && url.hostname !== ''
  if (!isSmtp || !['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '')
    return refuse(
      context,
      'must be smtp://host:port or smtps://host:port, with user:password@ before the host if need be'
    )
  if (!isDecodable(url.username) || !isDecodable(url.password))
    return refuse(context, 'has a "%" in its user or password that stands for no character: write it as %25')
  return text
})

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** The shape of `mail` of a policy file in `folder`, which makes the path of its file absolute. No problem repeats a value. */
export function mailShape(folder: string) {
  const template = (kind: MailKind) =>
    z
      .strictObject({ subject: words.exactOptional(), text: words.exactOptional(), html: words.exactOptional() })
      .superRefine((given, context) => {
        for (const [part, message] of templateProblems(kind, given))
          context.addIssue({ code: 'custom', path: [part], message })
      })
      .exactOptional()
  const templates = z.strictObject({
    verification: template('verification'),
    reset: template('reset'),
    magicLink: template('magicLink'),
    code: template('code'),
    secondFactor: template('secondFactor'),
    changeEmail: template('changeEmail'),
    deleteAccount: template('deleteAccount')
  } satisfies Record<(typeof mailKinds)[number], z.ZodType>)
  return z
    .strictObject(
      {
        url: smtpUrl.meta({ variable: true, holdsPassword: true }).exactOptional(),
        host: z
          .string('must be a host name')
          .regex(/^[A-Za-z0-9.:-]{1,253}$/, 'must be a host name')
          .exactOptional(),
        port: z.int('must be a port').min(1, 'must be a port').max(65_535, 'must be a port').exactOptional(),
        secure: z.boolean('must be true or false').exactOptional(),
        user: oneLine.meta({ variable: true }).exactOptional(),
        password: z.string('must be text').min(1, 'must not be empty').meta({ secret: true }).exactOptional(),
        tls: z.boolean('must be true or false').exactOptional(),
        caFile: z
          .string('must be a path')
          .min(1, 'must be a path')
          .transform((text) => resolve(folder, text))
          .exactOptional(),
        from: address,
        replyTo: address.exactOptional(),
        templates: templates.exactOptional()
      },
      { error: (issue) => (issue.code === 'invalid_type' ? 'must be an object with from, and url or host' : undefined) }
    )
    .superRefine((mail, context) => {
      for (const [path, message] of problemsBetween(mail)) context.addIssue({ code: 'custom', path: [path], message })
    })
}

function* problemsBetween(mail: MailSettings): Iterable<[keyof MailSettings, string]> {
  const { url, host, caFile } = mail
  if ((url === undefined) === (host === undefined)) {
    yield ['host', url === undefined ? 'is missing: say host or url' : 'is given together with url; keep one']
    return
  }
  const parts = (['port', 'secure', 'user', 'password'] as const).filter((key) => mail[key] !== undefined)
  if (url !== undefined && parts.length > 0) {
    for (const key of parts) yield [key, 'is a part of url: keep one']
    return
  }
  const { user, password, tls, secure } = smtpServerOf(mail)
  if ((user === undefined) !== (password === undefined))
    yield ['password', 'goes together with user: give both or neither']
  if (mail.tls === false && secure) yield ['tls', 'cannot be false where the address or secure asks for TLS']
  if (!tls && mail.tls === false && password !== undefined)
    yield ['tls', 'must not be false where there is a password: it would be sent in the clear']
  if (caFile !== undefined) {
    const problem = certificateProblem(caFile)
    if (problem !== null) yield ['caFile', problem]
  }
}
