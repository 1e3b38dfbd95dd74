/** What a mail is for. */
export const mailKinds = [
  'verification',
  'reset',
  'magicLink',
  'code',
  'secondFactor',
  'changeEmail',
  'deleteAccount'
] as const
export type MailKind = (typeof mailKinds)[number]

/** What there is to say in a mail, and to whom. */
export interface Mail {
  readonly kind: MailKind
  /** The address that it goes to. */
  readonly to: string
  /** What the user is called, who may have been anybody: addresses are not yet proven when the first mails are sent. */
  readonly name?: string | undefined
  /** The link of mails that have one. */
  readonly url?: string | undefined
  /** What is to be typed, in mails that have no link. */
  readonly code?: string | undefined
  /** The address that `changeEmail` asks about. */
  readonly newEmail?: string | undefined
}

/** The words of a mail, in which `{url}`, `{code}`, `{name}`, `{email}`, `{newEmail}` and `{app}` stand for what they name. */
export interface MailTemplate {
  readonly subject: string
  readonly text: string
  /** Sent beside the text, with what stands for something escaped. Default: the text alone. */
  readonly html?: string
}

export type MailTemplates = { readonly [kind in MailKind]?: Partial<MailTemplate> }

const link = 'url'
const code = 'code'
/** What each kind of mail cannot do without. */
const needs: Readonly<Record<MailKind, typeof link | typeof code>> = {
  verification: link,
  reset: link,
  magicLink: link,
  code,
  secondFactor: code,
  changeEmail: link,
  deleteAccount: link
}

const ignoreIt = 'If you did not ask for this, ignore this mail.'
const defaults: Readonly<Record<MailKind, MailTemplate>> = {
  verification: {
    subject: 'Confirm your address',
    text: `Follow this link to confirm your address at {app}:\n\n{url}\n\n${ignoreIt}\n`
  },
  reset: {
    subject: 'Choose a new password',
    text: `Follow this link to choose a new password for {app}:\n\n{url}\n\n${ignoreIt}\n`
  },
  magicLink: { subject: 'Sign in to {app}', text: `Follow this link to sign in to {app}:\n\n{url}\n\n${ignoreIt}\n` },
  code: { subject: 'Your code for {app}', text: `Your code for {app} is\n\n{code}\n\n${ignoreIt}\n` },
  secondFactor: {
    subject: 'Your code for {app}',
    text: 'The code that completes your sign-in to {app} is\n\n{code}\n\nIf you are not signing in, somebody knows your password: change it.\n'
  },
  changeEmail: {
    subject: 'Confirm your new address',
    text: `Follow this link if your account at {app} is to have the address {newEmail}:\n\n{url}\n\n${ignoreIt}\n`
  },
  deleteAccount: {
    subject: 'Delete your account',
    text: `Follow this link to delete your account at {app} for good:\n\n{url}\n\n${ignoreIt}\n`
  }
}

const placeholder = /\{([A-Za-z]{1,32})\}/g
const known = new Set(['url', 'code', 'name', 'email', 'newEmail', 'app'])

/** What is wrong with a template of this kind, with the name of the part that is wrong; it may leave parts out. */
export function templateProblems(kind: MailKind, template: Partial<MailTemplate>): [part: string, problem: string][] {
  return Object.entries({ ...template }).flatMap(([part, words]): [string, string][] => {
    if (words === undefined) return []
    const used = [...words.matchAll(placeholder)].map(([, name = '']) => name)
    const strangers = new Set(used.filter((name) => !known.has(name) || isOthers(kind, name)))
    const problems = [...strangers].map((name): [string, string] => [part, `has {${name}}, which this mail has not`])
    if (part !== 'subject' && !used.includes(needs[kind]))
      problems.push([part, `must have {${needs[kind]}}, which the mail is for`])
    if (part === 'subject' && /[\u0000-\u001f\u007f]/.test(words)) problems.push([part, 'must be one line'])
    if (part === 'subject' && used.some((name) => name === link || name === code))
      problems.push([part, 'must not have what the mail is for: subjects are shown on locked screens'])
    return problems
  })
}

function isOthers(kind: MailKind, name: string): boolean {
  return ((name === link || name === code) && name !== needs[kind]) || (name === 'newEmail' && kind !== 'changeEmail')
}

/** The words of one mail; what the policy file leaves out is the gateway's. */
export function writeMail(mail: Mail, app: string, templates: MailTemplates = {}): MailTemplate {
  const own = templates[mail.kind] ?? {}
  const { subject, text } = { ...defaults[mail.kind], ...own }
  const values: Readonly<Record<string, string>> = {
    url: mail.url ?? '',
    code: mail.code ?? '',
    name: plainName(mail.name ?? ''),
    email: mail.to,
    newEmail: mail.newEmail ?? '',
    app
  }
  const fill = (words: string, escaped: (value: string) => string) =>
    words.replace(placeholder, (whole, name: string) =>
      Object.hasOwn(values, name) ? escaped(values[name] ?? '') : whole
    )
  return {
    subject: fill(subject, onOneLine),
    text: fill(text, (value) => value),
    ...(own.html !== undefined && { html: fill(own.html, escapeHtml) })
  }
}

/**
 * A name with nothing in it that a mail program would make a link of. Somebody who signs up with another person's address
 * chooses the name that this person reads, in a mail that comes from the product.
 */
function plainName(name: string): string {
  const words = name
    .replaceAll(mayBePhoneNumber(name) ? /[^\p{L}\p{M}'’]/gu : /[^\p{L}\p{M}\p{N}'’-]/gu, ' ')
    .replaceAll(/ +/g, ' ')
    .trim()
  return Array.from(words).slice(0, 60).join('')
}

/** Whether a name has so many digits that a mail program could offer to call them. */
function mayBePhoneNumber(name: string): boolean {
  return (name.match(/\p{N}/gu)?.length ?? 0) >= 5
}

function onOneLine(value: string): string {
  return value.replaceAll(/[\u0000-\u001f\u007f\u0085\u2028\u2029]+/g, ' ')
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;'
}

function escapeHtml(value: string): string {
  return value.replaceAll(/[&<>"']/g, (character) => entities[character] ?? '')
}
