import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { isRecord } from '../../db/type-guards.ts'

/** What the built-in pages take over from a product. */
export interface Brand {
  /** The product's name, up to 60 characters. Default: `auth.appName`, or else the public origin's host. */
  readonly name?: string | undefined
  /** An image file, relative to the policy file: svg, png, jpg, webp or gif, up to 256 KiB. Default: the name's first letter. */
  readonly logo?: string | undefined
  /**
   * The colour of buttons and links as `#rrggbb`, or one each for the light and the dark scheme. It is changed as far as
   * needed for links, and for the text on buttons, to be readable.
   */
  readonly accent?: string | Accent | undefined
}

interface Accent {
  readonly light: string
  readonly dark: string
}

const imageTypes: Readonly<Record<string, string>> = {
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.webp': 'image/webp',
  '.gif': 'image/gif'
}
const largestLogo = 256 * 1_024
const longestName = 60

/** Everything that is wrong with `brand` in the policy file, one text each; `folder` is the one that the file is in. */
export function brandProblems(brand: unknown, folder: string): string[] {
  if (!isRecord(brand)) return ['brand: must be an object']
  return Object.entries(brand).flatMap(([key, value]) => {
    if (value === undefined) return []
    if (key === 'name') {
      const fits = typeof value === 'string' && value.trim() !== '' && value.length <= longestName
      return fits ? [] : `brand.name: must be text of 1 to ${longestName} characters`
    }
    if (key === 'logo') return logoProblem(value, folder) ?? []
    if (key === 'accent') return accentProblems(value)
    return `brand.${key}: is not known`
  })
}

function logoProblem(value: unknown, folder: string): string | undefined {
  if (typeof value !== 'string') return 'brand.logo: must be the path of an image file'
  if (imageTypes[extname(value).toLowerCase()] === undefined)
    return `brand.logo: must end in one of ${Object.keys(imageTypes).join(', ')}`
  const file = statSync(resolve(folder, value), { throwIfNoEntry: false })
  if (file?.isFile() !== true) return 'brand.logo: the file does not exist'
  return file.size > largestLogo ? `brand.logo: is larger than ${largestLogo / 1_024} KiB` : undefined
}

function accentProblems(value: unknown): string[] {
  const isColor = (color: unknown) => typeof color === 'string' && parseColor(color) !== undefined
  if (isColor(value)) return []
  if (!isRecord(value)) return ['brand.accent: must be a colour such as #2457d6, or { light, dark } with one each']
  const schemes = ['light', 'dark']
  const unknown = Object.keys(value).filter((key) => !schemes.includes(key))
  const wrong = schemes.filter((key) => !isColor(value[key]))
  return [
    ...unknown.map((key) => `brand.accent.${key}: is not known`),
    ...wrong.map((key) => `brand.accent.${key}: must be a colour such as #2457d6`)
  ]
}

/** The brand with its logo's path made absolute. */
export function resolveBrand(brand: Brand, folder: string): Brand {
  return brand.logo === undefined ? brand : { ...brand, logo: resolve(folder, brand.logo) }
}

/** Red, green and blue, 0 to 255 each. */
export type Rgb = readonly [red: number, green: number, blue: number]

const black: Rgb = [0, 0, 0]
const white: Rgb = [255, 255, 255]

/** The lowest contrast between text and its background that WCAG 2.2 AA allows (success criterion 1.4.3). */
export const textContrast = 4.5

/** Reads `#rrggbb`; undefined for anything else. */
export function parseColor(text: string): Rgb | undefined {
  if (!/^#[0-9a-f]{6}$/i.test(text)) return undefined
  const number = Number.parseInt(text.slice(1), 16)
  return [number >> 16, (number >> 8) & 255, number & 255]
}

/** `#rrggbb`. */
export function formatColor(color: Rgb): string {
  return `#${color.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`
}

/** The contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio"). */
export function contrast(a: Rgb, b: Rgb): number {
  const [first, second] = [luminance(a), luminance(b)]
  return (Math.max(first, second) + 0.05) / (Math.min(first, second) + 0.05)
}

// WCAG 2.2, "relative luminance".
function luminance([red, green, blue]: Rgb): number {
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

function linear(channel: number): number {
  const share = channel / 255
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
}

/** Black or white, whichever is easier to read on this colour. One of the two always reaches {@link textContrast}. */
export function textOn(background: Rgb): Rgb {
  return contrast(white, background) >= contrast(black, background) ? white : black
}

/** `color`, mixed with as little black or white as it needs to reach {@link textContrast} on the background. */
export function readableOn(background: Rgb, color: Rgb): Rgb {
  const text = textOn(background)
  for (let share = 0; share < 1; share += 0.02) {
    const mixed = mix(color, text, share)
    if (contrast(mixed, background) >= textContrast) return mixed
  }
  return text
}

/** `a` with a share of `b` in it, 0 to 1. */
function mix(a: Rgb, b: Rgb, share: number): Rgb {
  const channel = (i: 0 | 1 | 2) => Math.round(a[i] + (b[i] - a[i]) * share)
  return [channel(0), channel(1), channel(2)]
}

const defaultAccent: Accent = { light: '#2b57c8', dark: '#8fb0ff' }
// An accent is seen on the page and on cards. Of these two colours in pages.css, the one that gives it less contrast.
const backgrounds: Readonly<Record<keyof Accent, Rgb>> = { light: [243, 244, 247], dark: [27, 30, 36] }

/** The name and the assets of all pages. */
export type Theme = Readonly<ReturnType<typeof createTheme>>

/**
 * Reads the pages' files and the brand's logo. `assetsPath` is the path under which they are served, with a slash at its
 * end. Throws when a file cannot be read.
 */
export function createTheme(brand: Brand, defaultName: string, assetsPath: string) {
  const { name = defaultName, accent = defaultAccent } = brand
  const { light, dark } = typeof accent === 'string' ? { light: accent, dark: accent } : accent
  const [lightColor, darkColor] = [parseColor(light) ?? black, parseColor(dark) ?? white]
  const fileOf = (file: string) => readFileSync(new URL(`./assets/${file}`, import.meta.url))
  const asset = assetsUnder(assetsPath)
  const styles = asset('pages.css', 'text/css; charset=utf-8', fileOf('pages.css'))
  const script = asset('pages.js', 'text/javascript; charset=utf-8', fileOf('pages.js'))
  const colors = asset('colors.css', 'text/css; charset=utf-8', Buffer.from(colorSheet(lightColor, darkColor)))
  const type = imageTypes[extname(brand.logo ?? '').toLowerCase()] ?? 'application/octet-stream'
  const logo = brand.logo
    ? asset('logo', type, readFileSync(brand.logo))
    : asset('logo', 'image/svg+xml', letterLogo(name, lightColor))
  const assets = new Map([styles, script, colors, logo].map((one) => [one.name, one]))
  return { name, styles, colors, script, logo, assets }
}

/** Makes a file that the pages load. Its address changes with its bytes, so that browsers can keep it for ever. */
function assetsUnder(assetsPath: string) {
  return function asset(name: string, type: string, bytes: Buffer) {
    const version = createHash('sha256').update(type).update(bytes).digest('base64url').slice(0, 12)
    return { name, type, bytes, version, url: `${assetsPath}${name}?v=${version}` }
  }
}

function colorSheet(light: Rgb, dark: Rgb): string {
  return `:root {\n${variables(light, backgrounds.light)}}\n@media (prefers-color-scheme: dark) {\n:root {\n${variables(dark, backgrounds.dark)}}\n}\n`
}

// The accent is made readable on the background, as the colour of links, and the text on a button on the accent.
function variables(color: Rgb, background: Rgb): string {
  const accent = readableOn(background, color)
  const text = textOn(accent)
  const colors = { accent, 'accent-hover': mix(accent, textOn(text), 0.14), 'on-accent': text }
  return Object.entries(colors)
    .map(([name, value]) => `  --${name}: ${formatColor(value)};\n`)
    .join('')
}

/** The name's first letter on the accent; no letter where the name begins with anything else. */
function letterLogo(name: string, color: Rgb): Buffer {
  const [first = ''] = name.trim().toUpperCase()
  const letter = /^[\p{L}\p{N}]$/u.test(first) ? first : ''
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="${formatColor(color)}"/><text x="16" y="22.5" font-family="system-ui,sans-serif" font-size="19" font-weight="600" fill="${formatColor(textOn(color))}" text-anchor="middle">${letter}</text></svg>`
  return Buffer.from(svg)
}
