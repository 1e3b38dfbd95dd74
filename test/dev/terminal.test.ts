import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { startChromium, withoutChromium } from '../support/chromium.ts'
import { areGone, descendants, makeProject, plain, startDev } from '../support/dev-process.ts'
import { withoutPython } from '../support/python.ts'

const skip = (await withoutPython()) || withoutChromium()

t.setTimeout(300_000)

t.test('on a terminal there are people to read it', { skip }, async (t) => {
  const cwd = await makeProject(t)
  const dev = await startDev(t, { cwd, args: ['main:app', '--user', 'Ada@example.com'], terminal: true })
  const publicUrl = await dev.ready()
  await dev.printed('/auth/dev/sign-in?token=')
  const [link = '', token = ''] =
    /http:\/\/localhost:\d+\/auth\/dev\/sign-in\?token=([\w-]{43})/.exec(plain(dev.output())) ?? []
  t.equal(Buffer.from(token, 'base64url').length, 32, '256 bits')
  const browser = await startChromium(t)
  const page = await browser.newPage()
  await page.goto(link)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(/\/auth\/account/)
  await page.goto(`${publicUrl}/me`)
  t.match(await page.textContent('body'), /"ada@example\.com"/)
  await dev.printed(/200\S*\s+\S*GET/)
  const line =
    dev
      .output()
      .split('\n')
      .find((line) => plain(line).startsWith('200') && line.includes('/me')) ?? ''
  t.match(line, /\u001b\[32m200\u001b\[39m/, 'in colour')
  t.match(plain(line).trim(), /^200 {2}GET +\/me {2}\d+ ms {2}ada@example\.com {2}rule none$/)
  await fetch(`${publicUrl}/private?secret=1`)
  await dev.printed(/SESSION_REQUIRED/)
  t.match(
    plain(dev.output()),
    'SESSION_REQUIRED rule none names it, so it needs a session, and no session came with it'
  )
  t.notMatch(dev.output(), 'secret=1')

  // A client that is no browser can send any byte; U+009B begins an escape sequence.
  for (const path of ['/\x9b2Jx', '/\xc2\x9b2Jx', '/\x1b[2Jx']) {
    const since = dev.output().length
    const socket = connect(Number(new URL(publicUrl).port), '127.0.0.1')
    socket.end(Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`, 'latin1'))
    socket.resume()
    await once(socket, 'close')
    await dev.printed(/REQUEST_MALFORMED|2Jx/, since)
    t.notMatch(dev.output().slice(since), /\u009b|\u001b\[2J/)
  }

  const processes = await descendants(dev.child.pid)
  dev.type('\u0003')
  t.equal(await dev.ended, 0, 'Ctrl-C')
  await areGone(processes)
})

t.test('without colours where nobody wants them, and gone with its terminal', { skip }, async (t) => {
  const cwd = await makeProject(t)
  const dev = await startDev(t, { cwd, args: ['main:app'], terminal: true, env: { NO_COLOR: '1' } })
  const publicUrl = await dev.ready()
  t.match(dev.output(), `Gatehouse is on ${publicUrl}`)
  await fetch(`${publicUrl}/greeting`)
  await dev.printed('/greeting')
  t.notMatch(
    dev
      .output()
      .split('\n')
      .filter((line) => !line.startsWith('app'))
      .join('\n'),
    /\u001b\[/
  )
  const processes = await descendants(dev.child.pid)
  // The terminal is closed.
  dev.child.kill('SIGKILL')
  await areGone(processes)
})

t.test('a database elsewhere is named, and asked about', { skip }, async (t) => {
  const cwd = await makeProject(t)
  const env = { DATABASE_URL: 'postgres://nobody:hidden@db.example.com:1/shop' }
  const args = ['main:app', '--remote-database']
  const dev = await startDev(t, { cwd, args, env, terminal: true })
  await dev.printed('(yes/no)')
  t.match(dev.output(), 'The database is on db.example.com, not on this machine')
  t.notMatch(dev.output(), 'hidden')
  dev.type('y\n')
  t.equal(await dev.ended, 2)
  t.match(dev.output(), 'was not confirmed')
})
