import { defineConfig } from '../../src/policy-file.ts'
import { withAdmin } from '../support/admin-plugin.ts'

export default defineConfig({
  routes: [
    { path: '/public/*', access: 'public' },
    { path: '/optional/*', access: 'optional' }
  ],
  auth: withAdmin
})
