import { siteConfig } from './site.ts'

// A site of its own: its pages, and the scripts that their text is in, are all below /members/.
export default siteConfig({
  title: 'Lantern for members',
  baseUrl: '/members/',
  docs: { path: 'members', routeBasePath: '/', sidebarPath: undefined },
  pages: false
})
