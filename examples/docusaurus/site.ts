import type { Options } from '@docusaurus/preset-classic'
import type { Config } from '@docusaurus/types'

/** What differs between the two sites. */
export interface SiteParts {
  readonly title: string
  /** The path on the public origin under which the site is served. */
  readonly baseUrl: '/' | '/members/'
  readonly docs: Options['docs']
  /** `src/pages`, for the site that has them. */
  readonly pages?: Options['pages']
}

/**
 * One of the two sites that share an origin. Links from one to the other are plain `<a>`: another site is another page
 * load, which the gateway judges.
 */
export function siteConfig({ title, baseUrl, docs, pages = {} }: SiteParts): Config {
  return {
    title,
    favicon: 'img/lantern.svg',
    url: process.env['SITE_URL'] ?? 'http://localhost:8080',
    baseUrl,
    trailingSlash: true,
    onBrokenLinks: 'throw',
    future: { v4: true, faster: true },
    // Set for the development server on a port of its own; built, the gateway is where the site is.
    customFields: { gatewayUrl: process.env['GATEWAY_URL'] ?? '' },
    presets: [
      ['classic', { docs, pages, blog: false, theme: { customCss: './src/css/custom.css' } } satisfies Options]
    ],
    themeConfig: {
      navbar: {
        title,
        logo: { alt: '', src: 'img/lantern.svg' },
        items: [
          { type: 'html', position: 'left', value: link('/docs/', 'Docs') },
          { type: 'html', position: 'left', value: link('/members/', 'Members') },
          { type: 'html', position: 'left', value: link('/api/', 'API') },
          { type: 'custom-account', position: 'right' }
        ]
      },
      colorMode: { respectPrefersColorScheme: true }
    }
  }
}

function link(href: string, label: string): string {
  return `<a class="navbar__link" href="${href}">${label}</a>`
}
