import { join } from 'node:path'
import t from 'tap'
import { z } from 'zod'
import { mailShape } from '../../src/config/policy-mail.ts'
import { sentencesOf } from '../../src/config/policy-shape.ts'
import { authority } from '../support/smtp.ts'
import { isEach } from './problems.ts'

const from = 'accounts@example.com'
const problemsOf = (mail: unknown) =>
  (z.object({ mail: mailShape('/') }).safeParse({ mail }).error?.issues ?? []).flatMap(sentencesOf)

const good: readonly object[] = [
  { host: 'mail.example.com', from },
  { host: '127.0.0.1', port: 1025, from: 'House <accounts@example.com>', tls: false },
  { host: 'mail.example.com', secure: true, user: 'house', password: 'secret', from, replyTo: 'help@example.com' },
  { url: 'smtps://house:open%20sesame@mail.example.com:465', from, caFile: authority },
  { url: 'smtp://[::1]:1025', from, templates: { reset: { text: '{url}' }, code: { subject: 'Your code' } } },
  { host: 'mailpit', from, tls: false }
]

t.test('a server is named by its address or by its parts', async (t) => {
  for (const mail of good) t.same(problemsOf(mail), [], JSON.stringify(mail))
  t.equal(mailShape('/srv').parse({ host: 'a', from }).from, from)
})

const bad: readonly (readonly [mail: unknown, ...problems: RegExp[]])[] = [
  ['canary', /^mail: must be an object with from/],
  [{}, /^mail\.from: must be text/],
  [{ from }, /^mail\.host: is missing/],
  [{ host: 'a', url: 'smtp://b', from }, /^mail\.host: is given together with url/],
  [
    { url: 'smtp://b', port: 1, user: 'canary', from },
    /^mail\.port: is a part of url/,
    /^mail\.user: is a part of url/
  ],
  [{ url: 'https://canary', from }, /^mail\.url: must be smtp/],
  [{ url: 'smtp://u:canary%SE@b', from }, /^mail\.url: has a "%" in its user or password that stands for no character/],
  [{ url: 'smtp://%canary:p@b', from }, /^mail\.url: has a "%" in its user or password/],
  [{ url: 'smtp://b/canary', from }, /^mail\.url: must be smtp/],
  [{ url: 'smtp://b?tls=canary', from }, /^mail\.url: must be smtp/],
  [{ host: 'a b', from }, /^mail\.host: must be a host name/],
  [{ host: 'a', port: 70_000, from }, /^mail\.port: must be a port/],
  [{ host: 'a', from: 'canary' }, /^mail\.from: must be one address/],
  [{ host: 'a', from: 'a@example.com, canary@example.com' }, /^mail\.from: must be one address/],
  [{ host: 'a', from: 'a@example.com\r\nBcc: canary@example.com' }, /^mail\.from: must be one/],
  [{ host: 'a', user: 'canary', from }, /^mail\.password: goes together with user/],
  [
    { host: 'a', user: 'u', password: 'canary', tls: false, from },
    /^mail\.tls: must not be false where there is a password/
  ],
  [{ url: 'smtps://a', tls: false, from }, /^mail\.tls: cannot be false/],
  [{ host: 'a', caFile: join('/nowhere', 'canary.pem'), from }, /^mail\.caFile: the file cannot be read/],
  [{ host: 'a', from, templates: { reset: { text: 'canary' } } }, /^mail\.templates\.reset\.text: must have \{url\}/],
  [{ host: 'a', from, templates: { welcome: {} } }, /^mail\.templates\.welcome: is not known/],
  [{ host: 'a', from, pool: true }, /^mail\.pool: is not known/]
]

for (const [mail, ...problems] of bad)
  t.test(`${JSON.stringify(mail)} is refused, and not repeated`, async (t) => {
    const found = problemsOf(mail)
    isEach(t, found, problems)
    t.notMatch(found.join(), /canary/)
  })
