import { defineConfig } from '../../src/policy-file.ts'
import { withAdmin } from '../support/admin-plugin.ts'

// Every session is due for a refresh a second after the last one.
export default defineConfig({
  routes: [
    { path: '/public/*', access: 'public' },
    { path: '/optional/*', access: 'optional' }
  ],
  auth: { ...withAdmin, session: { updateAge: 1 } }
})
