import { documentOf, type Html, html } from './html.ts'
import type { Theme } from './theme.ts'

/** What a person can do about a refusal: an address on this origin. */
export interface Way {
  readonly label: string
  readonly href: string
}

/** A refusal in words for a person. */
export interface Refusal {
  readonly status: number
  readonly title: string
  readonly text: string
  readonly ways: readonly Way[]
  /** What the operator can find in the log. */
  readonly code: string
  readonly requestId: string
}

/** A refusal as a page. It asks nothing of anybody, so that it can be shown when everything else is away. */
export function refusalPage(theme: Theme, { status, title, text, ways, code, requestId }: Refusal): string {
  const main: Html = html`<div class="card refusal">
<p class="status">${status}</p>
<h1>${title}</h1>
<p>${text}</p>
${ways.length > 0 && html`<p class="ways">${ways.map((way, i) => html`<a class="${i === 0 ? 'button' : 'button quiet'}" href="${way.href}">${way.label}</a>`)}</p>`}
<p class="hint">${code}<br>Request <code>${requestId}</code></p>
</div>`
  return documentOf(theme, { title, main, script: false })
}
