import t from 'tap'
import { html } from '../../../auth/pages/page-markup.ts'

t.test('whatever is put into a template is text, in content and in attributes', async (t) => {
  const evil = `"><script>alert(1)</script><img src=x onerror='alert(1)'>&amp;\``
  const page = html`<p title="${evil}">${evil}</p>`.toString()
  const [, title = '', content = ''] = /^<p title="([^"]*)">([^<]*)<\/p>$/.exec(page) ?? []
  t.equal(title, content)
  t.not(title, '')
  t.notMatch(title, /[<>"']/)
  t.equal(
    title.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))),
    evil
  )
})

t.test('templates go into templates as they are, in lists too', async (t) => {
  const items = ['<1>', '<2>'].map((item) => html`<li>${item}</li>`)
  t.equal(html`<ul>${items}</ul>`.toString(), '<ul><li>&#60;1&#62;</li><li>&#60;2&#62;</li></ul>')
})

t.test('nothing leaves no trace, and zero is something', async (t) => {
  t.equal(html`<p>${undefined}${null}${false}${[]}${0}</p>`.toString(), '<p>0</p>')
})

t.test('what only looks like a template is text', async (t) => {
  const forged: unknown = JSON.parse('{"toString":"<b>"}')
  t.throws(() => html`${forged as string}`, 'an object that is none of ours cannot be put in')
})
