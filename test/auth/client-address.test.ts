import fastify from 'fastify'
import t from 'tap'
import { clientAddress } from '../../auth/client-address.ts'

async function addressOf(trustProxy: boolean, remoteAddress: string, headers: Record<string, string> = {}) {
  const app = fastify({ trustProxy })
  app.get('/', async (request) => clientAddress(request))
  const { body } = await app.inject({ url: '/', remoteAddress, headers })
  return body
}

t.test('without trusted proxies the address is the peer, whatever the headers say', async (t) => {
  const headers = { 'x-forwarded-for': '9.9.9.9', 'x-real-ip': '9.9.9.9', forwarded: 'for=9.9.9.9' }
  t.equal(await addressOf(false, '192.0.2.1', headers), '192.0.2.1')
  t.equal(await addressOf(false, '2001:db8::1', headers), '2001:db8::1')
})

t.test('an IPv4 address has its plain spelling and an IPv6 address no zone', async (t) => {
  t.equal(await addressOf(false, '::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(await addressOf(false, '::FFFF:192.0.2.1'), '192.0.2.1')
  t.equal(await addressOf(false, 'fe80::1%eth0'), 'fe80::1')
})

t.test('a trusted proxy names the client, and the proxy itself counts where it names none', async (t) => {
  t.equal(await addressOf(true, '192.0.2.1', { 'x-forwarded-for': '198.51.100.7' }), '198.51.100.7')
  t.equal(await addressOf(true, '192.0.2.1', { 'x-forwarded-for': 'not an address' }), '192.0.2.1')
  t.equal(await addressOf(true, '192.0.2.1', { 'x-forwarded-for': '' }), '192.0.2.1')
})
