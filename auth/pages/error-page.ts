import { documentOf, html } from './html.ts'
import type { Theme } from './theme.ts'

/** A refusal in words for a person. */
export interface Refusal {
  readonly status: number
  readonly title: string
  readonly text: string
  /** Where the person can go on to, on this origin; the first is the one to try first. */
  readonly links: readonly { readonly label: string; readonly href: string }[]
  /** What the operator can find in the log. */
  readonly code: string
  readonly requestId: string
}

/** A refusal as a page. Making it needs neither the database nor the upstream, so it can be shown when both are down. */
export function refusalPage(theme: Theme, { status, title, text, links, code, requestId }: Refusal): string {
  const main = html`<div class="card refusal">
<p class="status">${status}</p>
<h1>${title}</h1>
<p>${text}</p>
${links.length > 0 && html`<p class="ways">${links.map(({ href, label }, i) => html`<a class="${i === 0 ? 'button' : 'button quiet'}" href="${href}">${label}</a>`)}</p>`}
<p class="hint">${code}<br>Request <code>${requestId}</code></p>
</div>`
  return documentOf(theme, { title, main, script: false })
}
