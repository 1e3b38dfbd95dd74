import { siteConfig } from './site.ts'

export default siteConfig({
  title: 'Lantern',
  baseUrl: '/',
  docs: { path: 'docs', routeBasePath: 'docs', sidebarPath: undefined }
})
