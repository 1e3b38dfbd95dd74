import { goalTable } from './goal-table.ts'
import type { Results } from './results.ts'
import { asMarkdown } from './text.ts'

const opening = (name: string) => `<!-- ${name}: made by npm run bench -->`
const closing = (name: string) => `<!-- /${name} -->`

/** The page with its tables made anew from the results. What stands outside the marks stays as it is. */
export function fillPage(page: string, results: Results): string {
  let filled = fill(page, 'goals', asMarkdown(goalTable(results)))
  for (const [name, result] of Object.entries(results)) {
    const tables = result.tables.map((table) => `**${table.title}**\n\n${asMarkdown(table)}`)
    const left = result.leftOut.length === 0 ? [] : [`Left out: ${result.leftOut.join(' ')}`]
    const about = `Run on ${result.day} with ${result.generator}, ${result.seconds} s.`
    filled = fill(filled, name, [about, ...tables, ...left].join('\n\n'))
  }
  return fill(filled, 'machine', machineList(results))
}

function machineList(results: Results): string {
  const lines = Object.values(results).map(({ machine, versions }) => {
    const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
    return `- ${machine}: ${named.join(', ')}`
  })
  return [...new Set(lines)].join('\n')
}

function fill(page: string, name: string, text: string): string {
  const [start, end] = [page.indexOf(opening(name)), page.indexOf(closing(name))]
  if (start === -1 || end < start) throw new Error(`the page has no place for "${name}"`)
  return `${page.slice(0, start)}${opening(name)}\n\n${text}\n\n${page.slice(end)}`
}
