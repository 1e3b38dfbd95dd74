// BetterAuth for a proxy that asks before it forwards: /verify answers 200 and who it is, or 401.
import { createServer } from 'node:http'
import { fromNodeHeaders } from 'better-auth/node'
import { announce, told } from './announce.ts'
import { createPlainAuth } from './better-auth.ts'

const { databaseUrl = '', secret = '' } = told()
const auth = createPlainAuth({ databaseUrl, secret, cookieCache: 'no' })

const server = createServer((request, response) => {
  auth.api.getSession({ headers: fromNodeHeaders(request.headers) }).then(
    (found) => {
      if (found === null) response.writeHead(401)
      else response.writeHead(200, { 'x-user-id': found.user.id, 'x-user-email': found.user.email })
      // Oathkeeper reads the subject out of the body.
      response.end(found === null ? undefined : JSON.stringify({ subject: found.user.id }))
    },
    () => response.writeHead(500).end()
  )
})
server.keepAliveTimeout = 120_000
announce(server)
