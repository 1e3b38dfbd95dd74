import type { FormError } from './messages.ts'
import type { Theme } from './theme.ts'

/**
 * What may be put into a template. {@link Html} goes in as it is, text and numbers are escaped, and `undefined`, `null`
 * and `false` become nothing.
 */
export type HtmlValue = Html | string | number | false | null | undefined | readonly HtmlValue[]

/** A piece of HTML that is safe to send. Only the `html` tag can make one, because the class is not exported. */
class Html {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }
}

export type { Html }

/**
 * A template that escapes every value put into it, for element content and for attributes in double quotes. No value can
 * bring raw HTML in.
 */
export function html(literals: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = literals[0] ?? ''
  for (const [i, value] of values.entries()) text += textOf(value) + (literals[i + 1] ?? '')
  return new Html(text)
}

function textOf(value: HtmlValue): string {
  if (value === undefined || value === null || value === false) return ''
  if (value instanceof Html) return value.toString()
  if (typeof value === 'object') return value.map(textOf).join('')
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** One labelled input of a form. */
export interface Field {
  /** Its name in the form, and its id where there is no `prefix`. */
  readonly name: string
  readonly label: string
  readonly type: 'text' | 'email' | 'password'
  /** What password managers and browsers may fill in (HTML, "autofill field name"). */
  readonly autocomplete: string
  readonly value?: string | undefined
  readonly hint?: string
  /** The form's error, which is shown at this input when it is about it. */
  readonly error?: FormError | undefined
  readonly minLength?: number
  readonly maxLength?: number
  /** Whether the cursor is here when the page opens. An input with an error has the cursor in any case. */
  readonly focus?: boolean
  /** Begins the id, where two forms of one page have inputs of the same name. */
  readonly prefix?: string
}

/** The inputs that several forms have. */
export const inputs = {
  name: { name: 'name', label: 'Name', type: 'text', autocomplete: 'name', maxLength: 200 },
  email: { name: 'email', label: 'Email address', type: 'email', autocomplete: 'username' },
  password: { name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password' },
  newPassword: { name: 'newPassword', label: 'Password', type: 'password', autocomplete: 'new-password' },
  code: { name: 'code', label: 'Code', type: 'text', autocomplete: 'one-time-code', maxLength: 64 }
} as const satisfies Record<string, Field>

/** The input with its label, its hint and its error. Screen readers read hint and error out together with the input. */
export function field(options: Field): Html {
  const { name, label, type, hint } = options
  const error = options.error?.field === name ? options.error.text : undefined
  const id = `${options.prefix ?? ''}${name}`
  const described = [hint !== undefined && `${id}-hint`, error !== undefined && `${id}-error`].filter(Boolean).join(' ')
  return html`<div class="field">
<label for="${id}">${label}</label>
<input id="${id}" name="${name}" type="${type}" autocomplete="${options.autocomplete}" required
 ${type === 'email' && html`autocapitalize="none" spellcheck="false" inputmode="email"`}
 ${options.value !== undefined && html`value="${options.value}"`}
 ${options.minLength !== undefined && html`minlength="${options.minLength}"`}
 ${options.maxLength !== undefined && html`maxlength="${options.maxLength}"`}
 ${described !== '' && html`aria-describedby="${described}"`}
 ${error !== undefined && html`aria-invalid="true"`}
 ${(options.focus === true || error !== undefined) && html`autofocus`}>
${hint !== undefined && html`<p class="hint" id="${id}-hint">${hint}</p>`}
${error !== undefined && html`<p class="error" role="alert" id="${id}-error">${error}</p>`}
</div>`
}

/** A value that is sent with a form and not shown; nothing where there is no value. */
export function hidden(name: string, value: string | number | undefined): Html | undefined {
  return value === undefined ? undefined : html`<input type="hidden" name="${name}" value="${value}">`
}

/** The user's address in a form that asks only for a password, so that a password manager knows whose password to fill in. */
export function usernameForManagers(email: string): Html {
  return html`<input class="away" type="email" name="username" value="${email}" autocomplete="username" readonly tabindex="-1" aria-hidden="true">`
}

/**
 * The box for an error. It has the focus when the page opens, so that screen readers begin with it. Nothing where the
 * error is about one of `fields`: that input shows it itself.
 */
export function alertBox(error: FormError | undefined, ...fields: readonly string[]): Html | undefined {
  if (error === undefined || (error.field !== undefined && fields.includes(error.field))) return undefined
  return html`<div class="note bad" role="alert" tabindex="-1" autofocus>${error.text}</div>`
}

/** The box for what was done, or what is good to know. */
export function statusBox(text: string | undefined): Html | undefined {
  return text === undefined ? undefined : html`<div class="note good" role="status">${text}</div>`
}

/** One page. */
export interface Page {
  /** What the page is, for the browser's tab and history. The product's name is added. */
  readonly title: string
  readonly main: Html
  /** Shown at the top right. */
  readonly corner?: Html
  /** Whether the page is wide enough for several cards. */
  readonly wide?: boolean
  /** The address that the browser goes on to at once, by itself. */
  readonly refreshTo?: string
  /** `false` leaves the pages' script out. */
  readonly script?: false
}

/** The whole document. */
export function documentOf(theme: Theme, { title, main, corner, wide, refreshTo, script }: Page): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
${refreshTo !== undefined && html`<meta http-equiv="refresh" content="0;url=${refreshTo}">`}
<title>${title} · ${theme.name}</title>
<link rel="icon" href="${theme.logo.url}">
<link rel="stylesheet" href="${theme.colors.url}">
<link rel="stylesheet" href="${theme.styles.url}">
${script !== false && html`<script type="module" src="${theme.script.url}"></script>`}
</head>
<body class="${wide === true ? 'wide' : 'narrow'}">
<header>
<a class="brand" href="/"><img src="${theme.logo.url}" alt="" width="32" height="32"><span>${theme.name}</span></a>
${corner}
</header>
<main>${main}</main>
</body>
</html>
`.toString()
}
