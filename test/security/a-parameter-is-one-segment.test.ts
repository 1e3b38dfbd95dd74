import t from 'tap'
import { withoutPython } from '../support/python.ts'
import { startRoutedGateway } from '../support/routed.ts'

const skip = await withoutPython()

t.test('":name" opens one segment, the one that FastAPI reads there', { skip }, async (t) => {
  const { ask } = await startRoutedGateway(t)
  for (const [sent, name] of [
    ['ada', 'ada'],
    ['a', 'a'],
    ['x'.repeat(5_000), 'x'.repeat(5_000)],
    ['%61da', 'ada'],
    ['%40me', '@me'],
    ['a%2Bb', 'a+b'],
    ['a+b', 'a+b'],
    ['jobs%3Acancel', 'jobs:cancel'],
    ['a;b=c', 'a;b=c'],
    ['a%3Fb', 'a?b'],
    ['%E2%80%A8', '\u2028'],
    ['%F0%9F%94%91', '\u{1f511}'],
    ['%2561', '%61'],
    ['*', '*'],
    [':name', ':name'],
    ['...', '...'],
    ['secret', 'secret']
  ] as const) {
    const { status, routed } = await ask(`GET /users/${sent} HTTP/1.1`)
    t.same([status, routed?.route, routed?.parameters], [200, '/users/{name}', { name }], sent.slice(0, 40))
  }
  for (const sent of [
    '',
    'ada/secret',
    'ada/secret/',
    'ada/',
    '%61da/secret',
    'ada/x/y',
    '%40/secret',
    ':name/secret'
  ]) {
    const { status, routed } = await ask(`GET /users/${sent} HTTP/1.1`)
    t.equal(routed, undefined, sent)
    // A slash at the end belongs to the rule; FastAPI redirects it to the address without.
    if (sent === 'ada/') t.equal(status, 307)
    else t.equal(status, 401, sent)
  }
  for (const sent of [
    'ada%2Fsecret',
    'ada%2fsecret',
    'ada%5Csecret',
    '/secret',
    'ada//secret',
    '../admin',
    '%00',
    'a%0Ab'
  ]) {
    const { status, code } = await ask(`GET /users/${sent} HTTP/1.1`)
    t.same([status, code], [400, 'PATH_AMBIGUOUS'], sent)
  }
})
