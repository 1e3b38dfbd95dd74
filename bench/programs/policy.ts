import { defineConfig } from '../../src/policy-file.ts'

export default defineConfig({ routes: [{ path: '/public/*', access: 'public' }] })
