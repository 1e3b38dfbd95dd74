import t from 'tap'
import { isPageLoad } from '../../src/refusals/error-handler.ts'

const chrome = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8'
const navigation = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-site': 'none' }
const fetched = { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', 'sec-fetch-site': 'same-origin' }
const jquery = { 'x-requested-with': 'XMLHttpRequest' }
const cases: [name: string, headers: Record<string, string>, expected: boolean][] = [
  ['a navigation', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-site': 'none' }, true],
  ['a frame', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe', accept: chrome }, false],
  ['a fetch', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: 'text/html' }, false],
  ['an image', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image', accept: 'image/*,*/*;q=0.8' }, false],
  ['half of the metadata', { 'sec-fetch-mode': 'navigate', accept: chrome }, false],
  ['an older browser', { accept: chrome }, true],
  ['curl', { accept: '*/*' }, false],
  ['nothing said', {}, false],
  ['JSON', { accept: 'application/json' }, false],
  ['JSON or HTML', { accept: 'application/json, text/html;q=0.9' }, false],
  ['either', { accept: 'application/json, text/html' }, false],
  ['HTML or JSON', { accept: 'text/html, application/json;q=0.5' }, true],
  ['HTML rather not', { accept: 'text/html;q=0, */*' }, false],
  ['anything rather than HTML', { accept: 'text/html;q=0.4, */*;q=0.8' }, false],
  ['nonsense', { accept: 'text/html;q=x' }, false],
  ['an upgrade', { upgrade: 'websocket', accept: chrome }, false],
  ['a browser’s navigation', { ...navigation, accept: chrome }, true],
  ['a navigation for JSON', { ...navigation, accept: 'application/json' }, false],
  ['jQuery’s load', { accept: 'text/html, */*; q=0.01', 'x-requested-with': 'XMLHttpRequest' }, false],
  ['jQuery in a browser that says more', { ...fetched, accept: 'text/html, */*; q=0.01', ...jquery }, false],
  ['jQuery, whatever else is said', { ...navigation, accept: chrome, ...jquery }, false],
  ['an older XMLHttpRequest of any library', { accept: chrome, 'x-requested-with': 'fetch' }, false],
  ['htmx', { accept: '*/*', 'hx-request': 'true' }, false],
  ['htmx that asks for HTML', { accept: 'text/html, */*', 'hx-request': 'true' }, false],
  ['htmx, whatever else is said', { ...navigation, accept: chrome, 'hx-request': 'true' }, false],
  ['a page in an Android app', { ...navigation, accept: chrome, 'x-requested-with': 'com.example.app' }, true]
]

for (const [name, headers, expected] of cases) {
  t.test(`${name} is ${expected ? 'a' : 'no'} page load`, async (t) => {
    t.equal(isPageLoad(headers), expected)
  })
}
