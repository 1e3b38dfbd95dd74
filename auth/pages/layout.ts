import { type Html, html } from './html.ts'
import type { Complaint } from './sentences.ts'
import type { Theme } from './theme.ts'

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
