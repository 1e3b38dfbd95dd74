import { readFileSync, statSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { parseColor } from './contrast.ts'

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
  if (!isObject(brand)) return ['brand: must be an object']
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
  if (!isObject(value)) return ['brand.accent: must be a colour such as #2457d6, or { light, dark } with one each']
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

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
