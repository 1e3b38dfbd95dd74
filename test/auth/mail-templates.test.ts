import t from 'tap'
import { type MailKind, mailKinds, templateProblems, writeMail } from '../../auth/mail/mail-templates.ts'

const values = {
  to: 'ada@example.com',
  name: 'Ada',
  url: 'https://app.example.com/x',
  code: '123456',
  newEmail: 'new@example.com'
}

t.test('every kind of mail has words of its own, which say what it is for', async (t) => {
  for (const kind of mailKinds) {
    const { subject, text, html } = writeMail({ kind, ...values }, 'House')
    t.notMatch(subject + text, /[{}]/, kind)
    t.ok(subject.length > 5)
    t.match(text, ['code', 'secondFactor'].includes(kind) ? '123456' : 'https://app.example.com/x', kind)
    t.equal(html, undefined)
  }
  t.match(writeMail({ kind: 'changeEmail', ...values }, 'House').text, 'new@example.com')
})

t.test('what a policy leaves out of a mail is the gateway’s', async (t) => {
  const written = writeMail({ kind: 'reset', ...values }, 'House', { reset: { subject: 'New password' } })
  t.equal(written.subject, 'New password')
  t.match(written.text, 'https://app.example.com/x')
})

t.test('a value is never read as a template', async (t) => {
  const { text } = writeMail({ kind: 'reset', ...values, url: 'https://app.example.com/{name}' }, '{url}', {
    reset: { text: '{app} {url} {other}' }
  })
  t.equal(text, '{url} https://app.example.com/{name} {other}')
})

const wrong: readonly (readonly [kind: MailKind, template: object, problem: RegExp])[] = [
  ['reset', { text: 'Hello {name}' }, /must have \{url\}/],
  ['reset', { text: '{url}', html: '<p>Hello</p>' }, /must have \{url\}/],
  ['code', { text: 'Hello' }, /must have \{code\}/],
  ['code', { text: '{code} {url}' }, /has \{url\}/],
  ['reset', { text: '{url} {password}' }, /has \{password\}/],
  ['reset', { text: '{url} {newEmail}' }, /has \{newEmail\}/],
  ['reset', { subject: 'a\r\nBcc: eve@example.com' }, /must be one line/],
  ['code', { subject: '{code} is your code' }, /must not have what the mail is for/]
]
for (const [kind, template, problem] of wrong)
  t.test(`a template for ${kind} that is ${JSON.stringify(template)} is a problem`, async (t) => {
    const problems = templateProblems(kind, template)
    t.equal(problems.length, 1)
    t.match(problems[0]?.[1], problem)
  })

t.test('a good template has none', async (t) => {
  t.same(
    templateProblems('changeEmail', {
      subject: '{app}',
      text: '{url} {newEmail} {email}',
      html: '<a style="x{y:z}">{url}'
    }),
    []
  )
})
