import type { Complaint } from './messages.ts'
import type { Theme } from './theme.ts'

/** What a template may hold. Everything that is no {@link Html} itself is escaped; nothing and `false` leave no trace. */
export type HtmlValue = Html | string | number | false | null | undefined | readonly HtmlValue[]

class Markup {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }
}

/** A piece of HTML that is safe to send. The `html` tag alone can make one. */
export type Html = Markup

/**
 * A template that escapes whatever is put into it, for element content and for attributes in double quotes. There is no
 * way to put raw text in.
 */
export function html(literals: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = literals[0] ?? ''
  for (const [i, value] of values.entries()) text += textOf(value) + (literals[i + 1] ?? '')
  return new Markup(text)
}

function textOf(value: HtmlValue): string {
  if (value === undefined || value === null || value === false) return ''
  if (value instanceof Markup) return value.toString()
  if (typeof value === 'object') return value.map(textOf).join('')
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** One labelled input. */
export interface Field {
  /** Its name in the form; with `prefix` also its id. */
  readonly name: string
  readonly label: string
  readonly type: 'text' | 'email' | 'password'
  /** What password managers and browsers may fill in (HTML, "autofill field name"). */
  readonly autocomplete: string
  readonly value?: string | undefined
  readonly hint?: string | undefined
  readonly error?: string | undefined
  readonly minLength?: number | undefined
  readonly maxLength?: number | undefined
  /** Whether the cursor is here when the page opens. */
  readonly focus?: boolean | undefined
  /** Sets ids apart where two forms of a page have fields of one name. */
  readonly prefix?: string | undefined
}

/**
 * The input with its label, its hint and what is wrong with it; the last two are read out with it. What is wrong has the
 * cursor in it when the page opens.
 */
export function field(options: Field): Html {
  const { name, label, type, hint, error } = options
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

/** A value that goes along with a form. */
export function hidden(name: string, value: string | undefined): Html | undefined {
  return value === undefined ? undefined : html`<input type="hidden" name="${name}" value="${value}">`
}

/** The user's name in a form that asks only for a password, so that a password manager knows whose it is. */
export function ownerOfPassword(email: string): Html {
  return html`<input class="away" type="email" name="username" value="${email}" autocomplete="username" readonly tabindex="-1" aria-hidden="true">`
}

/** One page. */
export interface Page {
  /** What the page is, for the tab and the history; the product's name follows it. */
  readonly title: string
  readonly main: Html
  /** At the top right. */
  readonly corner?: Html | undefined
  /** A page of several cards. */
  readonly wide?: boolean | undefined
  /** Where to go at once, without anybody doing anything. */
  readonly refreshTo?: string | undefined
  /** Without: the pages' own. */
  readonly script?: false | undefined
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

/**
 * Something that went wrong; it has the focus when the page opens, so that it is read out first. Nothing where it is about
 * one of `fields`, which says it itself.
 */
export function alertBox(complaint: Complaint | undefined, ...fields: readonly string[]): Html | undefined {
  if (complaint === undefined || (complaint.field !== undefined && fields.includes(complaint.field))) return undefined
  return html`<div class="note bad" role="alert" tabindex="-1" autofocus>${complaint.text}</div>`
}

/** Something that went well, or is good to know. */
export function statusBox(text: string | undefined): Html | undefined {
  return text === undefined ? undefined : html`<div class="note good" role="status">${text}</div>`
}
