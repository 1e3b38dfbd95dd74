import { httpProxy } from '../contenders/http-proxy.ts'
import { median } from '../statistics.ts'
import type { Results } from './results.ts'

interface Bar {
  readonly name: string
  readonly value: number
}

const title = 'CPU per proxied request, µs'
const width = 760
const labels = 270
const barHeight = 18
const gap = 8

/**
 * CPU per request at 32 connections as a bar chart, an SVG that follows the reader's light or dark scheme; without bars
 * when that was not measured yet. Bars longer than the chart are cut and say so by their number.
 */
export function chart(results: Results): string {
  const bars = barsOf(results)
  // A look-up on every request is an order of magnitude away: to its scale nothing else could be told apart.
  const tallest = 3 * (bars.find(({ name }) => name === httpProxy.name)?.value ?? Number.POSITIVE_INFINITY)
  const longest = Math.max(...bars.filter(({ value }) => value < tallest).map(({ value }) => value))
  const room = width - labels - 90
  const caption = bars.length === 0 ? 'not measured yet' : '32 connections, 63-byte answers; less is better'
  const height = 50 + bars.length * (barHeight + gap)
  const rows = bars.map(({ name, value }, i) => {
    const y = 44 + i * (barHeight + gap)
    const length = Math.min(room, (room * value) / longest)
    const cut = value > longest
    const own = name.startsWith('Gatehouse')
    return `  <text x="${labels - 10}" y="${y + 13}" text-anchor="end"${own ? ' class="own"' : ''}>${escaped(name)}</text>
  <rect x="${labels}" y="${y}" width="${length.toFixed(1)}" height="${barHeight}" rx="2" class="${own ? 'bar own' : 'bar'}"/>
  <text x="${(labels + length + 6).toFixed(1)}" y="${y + 13}"${own ? ' class="own"' : ''}>${cut ? '→ ' : ''}${Math.round(value)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="t">
  <title id="t">${title}: ${bars.map(({ name, value }) => `${escaped(name)} ${Math.round(value)}`).join('; ')}</title>
  <style>
    text { font: 13px system-ui, sans-serif; fill: #57606a }
    .head { font-weight: 600; fill: #24292f }
    text.own { font-weight: 600; fill: #24292f }
    .bar { fill: #afb8c1 }
    .bar.own { fill: #0969da }
    @media (prefers-color-scheme: dark) {
      text { fill: #9198a1 }
      .head, text.own { fill: #f0f6fc }
      .bar { fill: #4a525c }
      .bar.own { fill: #4493f8 }
    }
  </style>
  <text x="12" y="24" class="head">${title} (${caption})</text>
${rows.join('\n')}
</svg>
`
}

function barsOf(results: Results): Bar[] {
  const cpu = results['warm']?.chart ?? {}
  return Object.entries(cpu)
    .map(([name, values]) => ({ name, value: median(values) }))
    .filter(({ value }) => Number.isFinite(value))
    .toSorted((a, b) => a.value - b.value)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
