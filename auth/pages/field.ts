import { type Html, html } from './html.ts'

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
