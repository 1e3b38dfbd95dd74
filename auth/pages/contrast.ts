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
