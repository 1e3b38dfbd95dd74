import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Brand, readLogo } from './brand.ts'
import { formatColor, mix, parseColor, type Rgb, readableOn, textOn } from './contrast.ts'

/** A file of the pages' own. */
export interface Asset {
  readonly type: string
  readonly bytes: Buffer
  /** Its address, with a version that changes with its bytes. */
  readonly url: string
  readonly version: string
}

/** What all pages have in common. */
export interface Theme {
  readonly name: string
  /** By the name that stands in their address. */
  readonly assets: ReadonlyMap<string, Asset>
  readonly styles: Asset
  readonly colors: Asset
  readonly script: Asset
  readonly logo: Asset
}

const defaultAccent = { light: '#2b57c8', dark: '#8fb0ff' }
// Of what the accent is seen on, page and card, the harder one to read it on; the same as in pages.css.
const grounds: Readonly<Record<'light' | 'dark', Rgb>> = { light: [243, 244, 247], dark: [27, 30, 36] }

/** Where the pages' files are served. */
export const assetsPath = '/auth/assets/'

/** Reads the pages' files and the brand's logo. Throws when one cannot be read. */
export function createTheme(brand: Brand, fallbackName: string): Theme {
  const name = brand.name ?? fallbackName
  const own = (file: string) => readFileSync(new URL(`./assets/${file}`, import.meta.url))
  const { accent = defaultAccent } = brand
  const colors = typeof accent === 'string' ? { light: accent, dark: accent } : accent
  const logo = readLogo(brand) ?? {
    type: 'image/svg+xml',
    bytes: Buffer.from(letterLogo(name, parseColor(colors.light) ?? [0, 0, 0]))
  }
  const styles = asset('pages.css', 'text/css; charset=utf-8', own('pages.css'))
  const script = asset('pages.js', 'text/javascript; charset=utf-8', own('pages.js'))
  const sheet = asset('colors.css', 'text/css; charset=utf-8', Buffer.from(colorSheet(colors)))
  const image = asset('logo', logo.type, logo.bytes)
  const assets = new Map([styles, script, sheet, image].map((one) => [nameOf(one), one]))
  return { name, assets, styles, colors: sheet, script, logo: image }
}

function asset(name: string, type: string, bytes: Buffer): Asset {
  const version = createHash('sha256').update(type).update(bytes).digest('base64url').slice(0, 12)
  return { type, bytes, version, url: `${assetsPath}${name}?v=${version}` }
}

function nameOf({ url }: Asset): string {
  return url.slice(assetsPath.length, url.indexOf('?'))
}

function colorSheet(accent: { light: string; dark: string }): string {
  const light = parseColor(accent.light) ?? [0, 0, 0]
  const dark = parseColor(accent.dark) ?? [255, 255, 255]
  return `:root {\n${variables(light, grounds.light)}}\n@media (prefers-color-scheme: dark) {\n:root {\n${variables(dark, grounds.dark)}}\n}\n`
}

// A button is as readable as a link: its colour stands out from the ground, and its text from its colour.
function variables(accent: Rgb, ground: Rgb): string {
  const seen = readableOn(ground, accent)
  const text = textOn(seen)
  const colors = { accent: seen, 'accent-hover': mix(seen, textOn(text), 0.14), 'on-accent': text }
  return Object.entries(colors)
    .map(([name, color]) => `  --${name}: ${formatColor(color)};\n`)
    .join('')
}

function letterLogo(name: string, color: Rgb): string {
  const letter = [...name.trim()][0]?.toUpperCase() ?? ''
  const safe = /^[\p{L}\p{N}]$/u.test(letter) ? letter : ''
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="${formatColor(color)}"/><text x="16" y="22.5" font-family="system-ui,sans-serif" font-size="19" font-weight="600" fill="${formatColor(textOn(color))}" text-anchor="middle">${safe}</text></svg>`
}
