import t from 'tap'
import { createJsonOutput, createTerminalOutput } from '../../src/dev/dev-output.ts'
import { inert, inertLine } from '../../src/dev/terminal-text.ts'

const attacks = [
  '\u001b[2J\u001b[H',
  '\u001b]0;a title\u0007',
  '\u001b]52;c;cm0gLXJmIH4=\u0007',
  '\u009b2J',
  '\u0090q\u009c',
  '\r\nGET  /forged  200',
  '\u202egnp.exe',
  '\u2028',
  '\ud800',
  '\u0000\u0008\u007f'
]

const harmful = /[\p{C}\p{Zl}\p{Zp}]/u

function outputOn(terminal: boolean) {
  let printed = ''
  const write = (text: string) => {
    printed += text
  }
  return { output: terminal ? createTerminalOutput(write, false) : createJsonOutput(write), printed: () => printed }
}

t.test('what clients choose is shown and does nothing', async (t) => {
  for (const [number, attack] of attacks.entries()) {
    t.notMatch(inert(`/${attack}`), harmful, `attack ${number}`)
    for (const terminal of [true, false]) {
      const { output, printed } = outputOn(terminal)
      output.exchange({
        ...{
          requestId: 'x',
          method: 'GET',
          path: `/${attack}`,
          status: 401,
          code: 'SESSION_REQUIRED',
          outcome: 'finished'
        },
        ...{ ms: 1, email: `${attack}@example.com`, rule: `/${attack}`, why: attack }
      })
      output.mail({ at: 1, to: attack, subject: attack, url: `http://localhost/${attack}`, code: attack }, undefined)
      output.app(`"GET /${attack}"`)
      output.gateway(`{"msg":"${attack.replaceAll(/[\u0000-\u001f]/g, '')}"}`)
      for (const line of printed().split('\n'))
        t.notMatch(line, harmful, `attack ${number}, on ${terminal ? 'a terminal' : 'a pipe'}`)
    }
  }
  t.equal(inert('/a b/ü/😀/%1b'), '/a b/ü/😀/%1b', 'and everything else is as it was')
  t.equal(inert('x'.repeat(500)).length, 401)
})

t.test('a program of one’s own may colour its lines, and do nothing else', async (t) => {
  t.equal(inertLine('\u001b[31mred\u001b[0m\tand'), '\u001b[31mred\u001b[0m\tand\u001b[0m')
  t.equal(inertLine('\u001b[31m\u001b[2J\u001b[1;1H'), '\u001b[31m\\x1b[2J\\x1b[1;1H\u001b[0m', 'and none goes on')
  t.equal(inertLine('plain'), 'plain')
  // 8 hides what follows; within a colour it is a part of its number.
  const codes: [given: string, kept: string][] = [
    ...['8', '08', '8;8', '38', '38;8', '38;08'].map((hiding): [string, string] => [hiding, '']),
    ...['', '0', '1;31', '38;5;8', '48;2;8;8;8', '58;5;8;1'].map((same): [string, string] => [same, same]),
    ['1;8;31', '1;31'],
    ['38;2;1;8', '2;1'],
    ['38;5;1;8', '38;5;1']
  ]
  for (const [given, kept] of codes) {
    const isNone = kept === '' && given !== ''
    t.equal(inertLine(`\u001b[${given}mx`), isNone ? 'x' : `\u001b[${kept}mx\u001b[0m`, given)
  }
})

t.test('lines that may be kept have neither addresses nor links', async (t) => {
  const { output, printed } = outputOn(false)
  output.mail(
    { at: 1, to: 'ada@example.com', subject: 'Reset', url: 'http://localhost/x?token=1', code: '123456' },
    'http://localhost/auth/dev/mail'
  )
  output.link('ada@example.com', { url: 'http://localhost/auth/dev/sign-in?token=1' })
  output.exchange({
    requestId: 'x',
    method: 'GET',
    path: '/me',
    status: 200,
    outcome: 'finished',
    ms: 1,
    userId: 'u',
    email: 'ada@example.com'
  })
  t.notMatch(printed(), /ada@example\.com|token=|123456/)
  for (const line of printed().trimEnd().split('\n')) t.type(JSON.parse(line).msg, 'string')
})
