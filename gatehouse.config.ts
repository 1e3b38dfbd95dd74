import { defineConfig } from '@gatehouse/gateway'

// Who may reach what, for the example app in examples/fastapi. `npm run gatehouse -- routes` prints it as a table, and
// `npm run gatehouse -- explain GET /feed/7` says which rule decides a request.
//
//   public    anybody; the app is not told who asks
//   optional  anybody; the app is told who asks when somebody is signed in
//   session   signed-in users only
//   deny      nobody: 404
//
// A path is made of plain segments, `:name` for any one segment, and a final `/*` for everything below. The most
// specific rule wins, whatever the order. A request that no rule names needs a session, so that a route which is
// forgotten here is closed, not open: /me, /upload and the WebSocket /chat are private without being listed.
export default defineConfig({
  routes: [
    { path: '/health', access: 'public' },
    { path: '/hello', access: 'public' },
    { path: '/public/*', access: 'public' },
    { path: '/docs', access: 'public' },
    { path: '/docs/*', access: 'public' },
    { path: '/openapi.json', access: 'public' },

    { path: '/', access: 'optional', methods: ['GET'] },
    { path: '/feed/*', access: 'optional', methods: ['GET'] },

    { path: '/internal/*', access: 'deny' }
  ],

  // What people see on the built-in pages: `name`, `logo` and `accent`; docs/pages.md says more.
  brand: { name: 'Gatehouse' },

  // What is added to BetterAuth: social providers, plugins, mail senders. For instance
  //   sendResetPassword: async ({ user, url }) => { await yourMailer.send(user.email, url) },
  auth: {}
})
