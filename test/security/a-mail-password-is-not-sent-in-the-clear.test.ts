import t from 'tap'
import { smtpServerOf } from '../../auth/mail/smtp-delivery.ts'

const from = 'accounts@example.com'

t.test('a name that looks like this machine’s address is sent nothing without TLS', async (t) => {
  for (const host of [
    '127.mail.example.com',
    '127.0.0.1.example.com',
    '127.1',
    '127.0.0.256',
    'localhost.example.com'
  ]) {
    t.equal(smtpServerOf({ host, user: 'u', password: 'p', from }).tls, true, host)
    t.equal(smtpServerOf({ url: `smtp://u:p@${host}:587`, from }).tls, true, host)
  }
})

t.test('this machine’s own addresses need none', async (t) => {
  for (const host of ['127.0.0.1', '127.8.9.10', 'localhost']) {
    t.equal(smtpServerOf({ host, from }).tls, false, host)
    t.equal(smtpServerOf({ url: `smtp://${host}`, from }).tls, false, host)
  }
  t.equal(smtpServerOf({ host: '::1', from }).tls, false)
  t.equal(smtpServerOf({ url: 'smtp://[::1]:25', from }).tls, false)
})
