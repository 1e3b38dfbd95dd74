/**
 * Schemes that belong to a framework or a browser, so that every app and extension made with it has the same one: only with
 * an authority do they name a single app.
 */
const sharedSchemes = new Set([
  'app',
  'capacitor',
  'chrome-extension',
  'exp',
  'exps',
  'extension',
  'ionic',
  'moz-extension',
  'ms-browser-extension',
  'safari-web-extension',
  'tauri'
])

/** Schemes that belong to no app: of the web, of a browser's own pages, of what it would run or show, of other programs. */
const schemesOfNoApp = new Set([
  ...['about', 'blob', 'chrome', 'content', 'data', 'edge', 'file', 'filesystem', 'ftp', 'http', 'https', 'intent'],
  ...['javascript', 'jar', 'mailto', 'ms-settings', 'resource', 'sms', 'tel', 'vbscript', 'view-source', 'ws', 'wss']
])

const form = /^([a-z][a-z0-9+.-]*):\/\/([A-Za-z0-9._~-]*(?::\d{1,5})?)$/

/** The origin of an app, `scheme://` or `scheme://authority` and nothing else, as it is; null where it is none. */
export function readAppOrigin(text: string): string | null {
  const scheme = form.exec(text)?.[1]
  return scheme === undefined || schemesOfNoApp.has(scheme) ? null : text
}

/** Whether an item of TRUSTED_ORIGINS is an app's rather than a site's. */
export function isAppOrigin(origin: string): boolean {
  return !/^https?:/.test(origin)
}

/** What is wrong with an app's origin; undefined where nothing is. */
export function appOriginProblem(origin: string, production: boolean): string | undefined {
  const [scheme = '', authority = ''] = origin.split('://')
  if (production && (scheme === 'exp' || scheme === 'exps'))
    return `must not be ${scheme}:// in production: it is for development, and anybody's project has it; use the app's own scheme`
  if (authority === '' && sharedSchemes.has(scheme))
    return `must name one app, as in ${scheme}://authority: every app of its kind has this scheme`
  return undefined
}
