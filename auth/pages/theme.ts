import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { isRecord } from '../../db/narrowing.ts'

/** What makes the built-in pages somebody's own. */
export interface Brand {
  /** The product's name. Default: `auth.appName`, or else the public origin's host. */
  readonly name?: string | undefined
  /** An image file, relative to the policy file: svg, png, jpg, webp or gif, up to 256 KiB. Default: the name's first letter. */
  readonly logo?: string | undefined
  /** The colour of buttons and links, `#rrggbb`, or one for each scheme. What is written in it and on it is kept readable. */
  readonly accent?: string | { readonly light: string; readonly dark: string } | undefined
}

/** An image that is served as the logo. */
export interface Logo {
  readonly type: string
  readonly bytes: Buffer
}

const types: Readonly<Record<string, string>> = {
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.webp': 'image/webp',
  '.gif': 'image/gif'
}
const largestLogo = 256 * 1_024
const longestName = 60

/** Everything that `brand` of the policy file must not or cannot say, one sentence each; `folder` is the file's own. */
export function brandProblems(brand: unknown, folder: string): string[] {
  if (!isRecord(brand)) return ['brand: must be an object']
  return Object.entries(brand).flatMap(([key, value]) => {
    if (value === undefined) return []
    if (key === 'name') return isName(value) ? [] : [`brand.name: must be text of 1 to ${longestName} characters`]
    if (key === 'logo') return logoProblems(value, folder)
    if (key === 'accent') return accentProblems(value)
    return [`brand.${key}: is not known`]
  })
}

/** The brand with its logo's path made absolute. */
export function resolveBrand(brand: Brand, folder: string): Brand {
  return brand.logo === undefined ? brand : { ...brand, logo: resolve(folder, brand.logo) }
}

/** Reads the logo; undefined without one. Throws what reading throws. */
export function readLogo({ logo }: Brand): Logo | undefined {
  if (logo === undefined) return undefined
  return { type: types[extname(logo).toLowerCase()] ?? 'application/octet-stream', bytes: readFileSync(logo) }
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== '' && value.length <= longestName
}

function logoProblems(value: unknown, folder: string): string[] {
  if (typeof value !== 'string') return ['brand.logo: must be the path of an image file']
  if (types[extname(value).toLowerCase()] === undefined)
    return [`brand.logo: must end in one of ${Object.keys(types).join(', ')}`]
  const file = statSync(resolve(folder, value), { throwIfNoEntry: false })
  if (file === undefined || !file.isFile()) return ['brand.logo: the file does not exist']
  return file.size > largestLogo ? [`brand.logo: is larger than ${largestLogo / 1_024} KiB`] : []
}

function accentProblems(value: unknown): string[] {
  if (isColor(value)) return []
  if (!isRecord(value)) return ['brand.accent: must be a colour such as #2457d6, or { light, dark } with one each']
  const unknown = Object.keys(value).filter((key) => key !== 'light' && key !== 'dark')
  return [
    ...unknown.map((key) => `brand.accent.${key}: is not known`),
    ...['light', 'dark']
      .filter((key) => !isColor(value[key]))
      .map((key) => `brand.accent.${key}: must be a colour such as #2457d6`)
  ]
}

function isColor(value: unknown): boolean {
  return typeof value === 'string' && parseColor(value) !== undefined
}

/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [number, number, number]

/** The least contrast of text with what is behind it that WCAG 2.2 AA allows (success criterion 1.4.3). */
export const textContrast = 4.5

/** Reads `#rrggbb`; undefined for anything else. */
export function parseColor(text: string): Rgb | undefined {
  const [, r, g, b] = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text) ?? []
  if (r === undefined || g === undefined || b === undefined) return undefined
  return [Number.parseInt(r, 16), Number.parseInt(g, 16), Number.parseInt(b, 16)]
}

/** `#rrggbb`. */
export function formatColor(color: Rgb): string {
  return `#${color.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`
}

/** The contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio"). */
export function contrast(a: Rgb, b: Rgb): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05)
}

/** Black or white, whichever is easier to read on this colour; one of them always reaches {@link textContrast}. */
export function textOn(background: Rgb): Rgb {
  const white: Rgb = [255, 255, 255]
  const black: Rgb = [0, 0, 0]
  return contrast(white, background) >= contrast(black, background) ? white : black
}

/** The colour nearest to this one that can be read on the background: mixed with black or white as little as is needed. */
export function readableOn(background: Rgb, color: Rgb): Rgb {
  const towards = textOn(background)
  for (let share = 0; share < 1; share += 0.02) {
    const mixed = mix(color, towards, share)
    if (contrast(mixed, background) >= textContrast) return mixed
  }
  return towards
}

/** So much of `b` in `a`, 0 to 1, in whole steps of a channel. */
export function mix(a: Rgb, b: Rgb, share: number): Rgb {
  const part = (i: 0 | 1 | 2) => Math.round(a[i] + (b[i] - a[i]) * share)
  return [part(0), part(1), part(2)]
}

// WCAG 2.2, "relative luminance".
function luminance(color: Rgb): number {
  const [r, g, b] = color
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

function linear(part: number): number {
  const share = part / 255
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
}

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
