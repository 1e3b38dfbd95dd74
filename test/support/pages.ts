import type { Answer, Browser } from './browser.ts'

/** What a browser says of a page that is opened by hand. */
export const pageLoad = {
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'sec-fetch-site': 'none',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document'
}

/** Sends a form of the built-in pages as a browser does. `headers` are added, or take the place of its own. */
export function sendForm(
  browser: Browser,
  path: string,
  fields: Record<string, string>,
  headers: Record<string, string> = {}
): Promise<Answer> {
  return browser.ask(path, {
    method: 'POST',
    headers: {
      ...pageLoad,
      'sec-fetch-site': 'same-origin',
      'content-type': 'application/x-www-form-urlencoded',
      ...headers
    },
    body: new URLSearchParams(fields).toString()
  })
}

/** Where a page leads on to by itself; undefined for one that stays. */
export function refreshOf(page: string): string | undefined {
  const address = /http-equiv="refresh" content="0;url=([^"]+)"/.exec(page)?.[1]
  return address === undefined ? undefined : unescaped(address)
}

/** The text that a piece of HTML stands for. */
export function unescaped(text: string): string {
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
}
