import { defineConfig } from '../../src/policy-file.ts'

// Two folders and FastAPI on one origin. The folders are kept apart, so that a rule that is missing closes the members'
// pages instead of opening them: nothing below /members/ is in the public folder.
export default defineConfig({
  upstreams: {
    site: { directory: './build/public' },
    members: { directory: './build/private' }
  },
  routes: [
    { path: '/*', access: 'public', upstream: 'site' },
    { path: '/members/*', access: 'session', upstream: 'members' },

    // Rules that name no upstream go to FastAPI. What stands here is all of it that can be reached.
    { path: '/hello', access: 'public' },
    { path: '/feed/*', access: 'optional' },
    { path: '/me', access: 'session' }
  ]
})
