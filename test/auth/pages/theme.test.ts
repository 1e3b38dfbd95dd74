import fc from 'fast-check'
import t from 'tap'
import {
  contrast,
  createTheme,
  formatColor,
  parseColor,
  type Rgb,
  readableOn,
  textContrast,
  textOn
} from '../../../auth/pages/theme.ts'

const color: fc.Arbitrary<Rgb> = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255))

t.test('contrast is what WCAG says it is', async (t) => {
  t.equal(contrast([0, 0, 0], [255, 255, 255]), 21)
  t.equal(contrast([255, 255, 255], [255, 255, 255]), 1)
  t.equal(contrast([118, 118, 118], [255, 255, 255]).toFixed(2), '4.54')
})

t.test('whatever the accent, it can be read, and what stands on it too', async (t) => {
  fc.assert(
    fc.property(color, color, (ground, accent) => {
      const seen = readableOn(ground, accent)
      t.ok(contrast(seen, ground) >= textContrast)
      t.ok(contrast(textOn(seen), seen) >= textContrast)
      t.same(parseColor(formatColor(seen)), seen)
    }),
    { numRuns: 500 }
  )
})

t.test('an accent that can be read already stays as it is', async (t) => {
  t.same(readableOn([255, 255, 255], [31, 80, 160]), [31, 80, 160])
})

t.test('the colours of every accent can be read on page and card, light and dark', async (t) => {
  const grounds = { light: ['#f3f4f7', '#ffffff'], dark: ['#121418', '#1b1e24'] }
  for (const accent of ['#000000', '#ffffff', '#f2c230', '#2b57c8', '#808080']) {
    const sheet = createTheme({ accent }, 'House', '/auth/assets/').colors.bytes.toString()
    const [light = '', dark = ''] = sheet.split('@media')
    for (const [part, on] of [[light, grounds.light] as const, [dark, grounds.dark] as const]) {
      const read = (name: string) => parseColor(new RegExp(`--${name}: (#\\w{6})`).exec(part)?.[1] ?? '') ?? [0, 0, 0]
      for (const ground of on)
        t.ok(contrast(read('accent'), parseColor(ground) ?? [0, 0, 0]) >= textContrast, `${accent} on ${ground}`)
      for (const under of ['accent', 'accent-hover'])
        t.ok(contrast(read('on-accent'), read(under)) >= textContrast, `text on ${under}, ${accent}`)
    }
  }
})

t.test('without a logo there is a letter, and never markup', async (t) => {
  const logo = (name: string) => createTheme({ name }, '', '/auth/assets/').logo.bytes.toString()
  t.match(logo('house'), />H<\/text>/)
  t.match(logo('<script>'), /><\/text>/)
})
