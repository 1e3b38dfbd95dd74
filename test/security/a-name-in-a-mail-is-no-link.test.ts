import t from 'tap'
import { writeMail } from '../../auth/mail/mail-templates.ts'

const greeting = (name: string) =>
  writeMail({ kind: 'reset', to: 'ada@example.com', name, url: 'https://app.example.com/x' }, 'House', {
    reset: { text: '{name}|{url}' }
  }).text.split('|')[0]

t.test('a name has no number in it that a mail program offers to call', async (t) => {
  t.equal(greeting('Call 1-800-555-0199'), 'Call')
  t.equal(greeting('Call +1 (800) 555 0199 now'), 'Call now')
  t.equal(greeting('Ring ١٢٣٤٥٦'), 'Ring')
  t.equal(greeting('1 2 3 4 5'), '')
})

t.test('a name has no address in it', async (t) => {
  t.equal(greeting('https://evil.example/x'), 'https evil example x')
})

t.test('a name with few digits is whole', async (t) => {
  t.equal(greeting('Jean-Luc O’Neill 1984'), 'Jean-Luc O’Neill 1984')
})
