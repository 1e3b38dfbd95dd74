import useDocusaurusContext from '@docusaurus/useDocusaurusContext'
import { createAuthClient } from 'better-auth/react'

function connect(url: string) {
  return { url, auth: createAuthClient({ baseURL: url }) }
}

/** The gateway as the browser sees it: its origin, and BetterAuth's client for it. */
export type Gateway = ReturnType<typeof connect>

let gateway: Gateway | undefined

/** The origin of this page, or the one in `GATEWAY_URL` while the site is developed on another port. In browsers only. */
export function useGateway(): Gateway {
  const { siteConfig } = useDocusaurusContext()
  const { gatewayUrl } = siteConfig.customFields ?? {}
  const url = typeof gatewayUrl === 'string' && gatewayUrl !== '' ? gatewayUrl : window.location.origin
  if (gateway?.url !== url) gateway = connect(url)
  return gateway
}

/** The built-in sign-in page. It leads back here, unless here is another origin. */
export function signInAddress({ url }: Gateway): string {
  const { origin, pathname, search, hash } = window.location
  if (url !== origin) return `${url}/auth/sign-in`
  return `/auth/sign-in?next=${encodeURIComponent(pathname + search + hash)}`
}
