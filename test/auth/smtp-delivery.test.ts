import { createServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Mail } from '../../auth/mail/mail-templates.ts'
import { createSmtpDelivery, type MailSettings, trySmtp } from '../../auth/mail/smtp-delivery.ts'
import { createLogger } from '../../src/logging/logger.ts'
import { authority, startSmtp } from '../support/smtp.ts'

const publicUrl = 'https://app.example.com'
const from = 'House <accounts@example.com>'
const reset: Mail = {
  kind: 'reset',
  to: 'ada@example.com',
  name: 'Ada',
  url: `${publicUrl}/api/auth/reset-password/TOKEN?x=1`
}

/** Delivers mails one after the other, and says what was logged meanwhile. */
async function deliver(settings: MailSettings, ...mails: Mail[]): Promise<string> {
  let logged = ''
  const log = createLogger('info', {
    write: (line) => {
      logged += line
    }
  })
  const tasks: Promise<void>[] = []
  const send = createSmtpDelivery({ settings, publicUrl, app: 'House', log, background: (task) => tasks.push(task) })
  for (const mail of mails) t.equal(send(mail), undefined, 'nobody waits for a mail')
  await Promise.all(tasks)
  return logged
}

t.test('a mail reaches the server as text, with its link, from the one sender to the one address', async (t) => {
  const smtp = await startSmtp(t)
  t.equal(await deliver({ host: '127.0.0.1', port: smtp.port, from, replyTo: 'help@example.com' }, reset), '')
  const [mail, ...more] = smtp.mails
  t.same(more, [])
  t.match(mail, { from: 'accounts@example.com', to: ['ada@example.com'], wasSecure: false, user: undefined })
  t.ok(mail?.headers.includes('From: House <accounts@example.com>'))
  t.ok(mail?.headers.includes('To: ada@example.com'))
  t.ok(mail?.headers.includes('Reply-To: help@example.com'))
  t.ok(mail?.headers.includes('Auto-Submitted: auto-generated'))
  t.ok(mail?.headers.includes('Subject: Choose a new password'))
  t.match(mail?.words, `${reset.url}`)
  t.notMatch(mail?.raw, /text\/html/)
})

t.test('the words may be the operator’s own, with HTML beside the text', async (t) => {
  const smtp = await startSmtp(t)
  const templates = {
    reset: {
      subject: '{app}: a new password for {name}',
      text: 'Hello {name} <{email}>: {url}',
      html: '<p>Hello {name} &lt;{email}&gt;</p><a href="{url}">here</a>'
    }
  }
  const mail = {
    ...reset,
    name: 'Ada & <b>Söhne</b>\r\nBcc: all@example.com https://evil.example/x evil.com',
    url: `${reset.url}&y="`
  }
  await deliver({ host: '127.0.0.1', port: smtp.port, from, templates }, mail)
  const [{ headers, words, to } = { headers: [], words: '', to: [] }] = smtp.mails
  t.same(to, ['ada@example.com'])
  t.equal(headers.filter((line) => /^(bcc|cc|to):/i.test(line)).length, 1, 'no header is added by a name')
  t.match(
    headers.find((line) => line.startsWith('Subject:')),
    /House.*a.new.password/i
  )
  t.match(words, /Hello Ada b Söhne b Bcc all example com https evil example x [evil com]* </)
  t.notMatch(words, /evil\.|evil\/|\/\/evil/, 'a name is no link')
  t.match(words, /<a href="https:\/\/app\.example\.com\/api\/auth\/reset-password\/TOKEN\?x=1&amp;y=&quot;">here<\/a>/)
})

t.test('STARTTLS is asked for, and its certificate is verified', async (t) => {
  const smtp = await startSmtp(t, { tls: true, user: 'house' })
  const settings = { host: 'localhost', port: smtp.port, from, user: 'house', password: 'open sesame', tls: true }
  t.match(
    await deliver(settings, reset),
    /"reason":"(ESOCKET|ETLS|ECONNECTION)"/,
    'a stranger’s certificate is refused'
  )
  t.equal(smtp.mails.length, 0)
  t.equal(await deliver({ ...settings, caFile: authority }, reset), '')
  t.match(smtp.mails, [{ wasSecure: true, user: 'house' }])
  const url = `smtp://house:open%20sesame@localhost:${smtp.port}`
  t.equal(await deliver({ url, from, tls: true, caFile: authority }, reset), '')
  t.match(smtp.mails[1], { wasSecure: true, user: 'house' })
})

t.test('TLS from the first byte is verified as well', async (t) => {
  const smtp = await startSmtp(t, { tls: true, secure: true })
  const settings = { host: 'localhost', port: smtp.port, from, secure: true }
  t.match(await deliver(settings, reset), /"reason":"ESOCKET"/)
  t.equal(await deliver({ ...settings, caFile: authority }, reset), '')
  t.equal(await deliver({ url: `smtps://localhost:${smtp.port}`, from, caFile: authority }, reset), '')
  t.equal(smtp.mails.length, 2)
})

t.test('a server without TLS is sent nothing where TLS is asked for', async (t) => {
  const smtp = await startSmtp(t)
  t.match(await deliver({ host: '127.0.0.1', port: smtp.port, from, tls: true }, reset), /"reason":"(ETLS|ESOCKET)"/)
  t.equal(smtp.mails.length, 0)
})

t.test('what cannot be sent is logged by its reason, without address, link, name or password', async (t) => {
  const full = await startSmtp(t, { refusal: 'mailbox of ada@example.com is full' })
  const strict = await startSmtp(t, { user: 'house' })
  const logged = [
    await deliver({ host: '127.0.0.1', port: full.port, from }, reset),
    await deliver({ host: '127.0.0.1', port: strict.port, from, user: 'house', password: 'wrong canary' }, reset),
    await deliver({ host: '127.0.0.1', port: 1, from }, reset)
  ]
  t.match(logged[0], /"mail":"reset","reason":"EENVELOPE","answer":550,"msg":"a mail could not be sent"/)
  t.match(logged[1], /"reason":"EAUTH"/)
  t.match(logged[2], /"reason":"ESOCKET"|"reason":"ECONNECTION"|"reason":"ECONNREFUSED"/)
  t.notMatch(logged.join(''), /ada|TOKEN|canary|open sesame/i)
  await t.rejects(trySmtp({ host: '127.0.0.1', port: strict.port, from, user: 'house', password: 'wrong' }), {
    code: 'EAUTH'
  })
  t.equal(
    await trySmtp({ host: '127.0.0.1', port: strict.port, from, user: 'house', password: 'open sesame' }),
    undefined
  )
})

t.test('no address is several, and no link leads elsewhere', async (t) => {
  const smtp = await startSmtp(t)
  const settings = { host: '127.0.0.1', port: smtp.port, from }
  const odd = [
    'ada@example.com, eve@example.com',
    'ada@example.com\r\nBcc: eve@example.com',
    'Ada <ada@example.com>',
    '"ada@example.com> RCPT TO:<eve"@example.com',
    'ada@example.com;eve@example.com',
    'ada@exam ple.com',
    ''
  ]
  const logged = await deliver(settings, ...odd.map((to) => ({ ...reset, to })))
  t.equal(logged.match(/"reason":"ADDRESS_UNUSABLE"/g)?.length, odd.length)
  const elsewhere = [
    'https://evil.example/x',
    `${publicUrl}.evil.example/`,
    `${publicUrl}@evil.example/`,
    '//evil.example',
    'javascript:1',
    'http://app.example.com/'
  ]
  t.equal(
    (await deliver(settings, ...elsewhere.map((url) => ({ ...reset, url })))).match(/"reason":"FOREIGN_LINK"/g)?.length,
    elsewhere.length
  )
  t.equal(smtp.connections(), 0)
})

t.test('a few mails at a time are sent, whatever their number', async (t) => {
  const smtp = await startSmtp(t)
  const mails = Array.from({ length: 40 }, (_, i) => ({ ...reset, to: `u${i}@example.com` }))
  t.equal(await deliver({ host: '127.0.0.1', port: smtp.port, from }, ...mails), '')
  t.equal(smtp.mails.length, 40)
  t.equal(new Set(smtp.mails.flatMap(({ to }) => to)).size, 40)
})

t.test(
  'a server that says nothing is waited for in the background, and only a thousand wait for it',
  async (t: Test) => {
    const sockets = new Set<import('node:net').Socket>()
    const mute = createServer((socket) => void sockets.add(socket)).listen(0, '127.0.0.1')
    t.teardown(() => {
      for (const socket of sockets) socket.destroy()
      mute.close()
    })
    await new Promise((resolve) => mute.once('listening', resolve))
    const address = mute.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    let logged = ''
    const log = createLogger('info', {
      write: (line) => {
        logged += line
      }
    })
    const send = createSmtpDelivery({
      settings: { host: '127.0.0.1', port, from },
      publicUrl,
      app: 'House',
      log,
      background: () => {}
    })
    for (let i = 0; i < 1_010; i++) send(reset)
    await wait(500)
    t.equal(sockets.size, 4)
    t.equal(logged.match(/a mail could not be sent/g)?.length, 6)
  }
)
