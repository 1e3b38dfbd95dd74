// npm run bench: measures a gateway next to what else could stand in its place, and prints what came of it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readArguments } from './arguments.ts'
import { Cleanup } from './cleanup.ts'
import { createLoadGenerator } from './load/load.ts'
import { chart } from './report/chart.ts'
import { countsMissed, goalTable } from './report/goal-table.ts'
import { fillPage } from './report/page.ts'
import { asJson, machine, type Results, readResults, type SectionResult, versions } from './report/results.ts'
import { asText } from './report/text.ts'
import type { Section } from './sections/section.ts'
import { sections } from './sections.ts'

const place = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const json = place('docs/performance.json')
const usage = `npm run bench -- [--quick] [--write] [section …]

Sections: ${sections.map(({ name }) => name).join(', ')}; all of them when none is named.
--quick   few rounds and short slices, under two minutes in all
--write   keep the figures: docs/performance.json, docs/performance.md and the chart

Exit status: 0 when everything was measured, whatever came of it; 1 when something could not be; 3 when a count (queries,
promises, header collections) is over its number.
`

const finished = new Cleanup()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => finished.run().then(() => process.exit(1)))

try {
  await bench()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  await finished.run()
}

async function bench(): Promise<void> {
  const names = sections.map(({ name }) => name)
  const { sections: asked, quick, write, help } = readArguments(process.argv.slice(2), names)
  if (help) return say(usage)
  if (process.platform !== 'linux') throw new Error('the benchmark reads /proc, so it needs Linux')
  const results: Record<string, SectionResult> = {}
  for (const section of sections.filter(({ name }) => asked.includes(name))) {
    results[section.name] = await runSection(section, quick)
    for (const table of results[section.name]?.tables ?? []) say(`\n${asText(table)}`)
    for (const sentence of results[section.name]?.leftOut ?? []) say(`left out: ${sentence}`)
    if (write) keep({ ...readResults(json), [section.name]: results[section.name] ?? never() })
  }
  say(`\n${asText(goalTable(results, asked))}`)
  const missed = countsMissed(results)
  for (const sentence of missed) process.stderr.write(`${sentence}\n`)
  if (missed.length > 0) process.exitCode = 3
  const latest = place('bench/results/latest.json')
  mkdirSync(place('bench/results'), { recursive: true })
  writeFileSync(latest, asJson(results))
  say(`${machine()}. Every round: bench/results/latest.json`)
}

async function runSection(section: Section, quick: boolean): Promise<SectionResult> {
  say(`\n# ${section.title}`)
  const cleanup = new Cleanup()
  finished.teardown(() => cleanup.run())
  const started = Date.now()
  try {
    const generator = await createLoadGenerator(cleanup)
    const findings = await section.run({ cleanup, generator, quick, say: (text) => say(`  ${text}`) })
    return {
      title: section.title,
      day: new Date().toISOString().slice(0, 10),
      seconds: Math.round((Date.now() - started) / 1_000),
      quick,
      generator: generator.name,
      machine: machine(),
      versions: versions(),
      ...findings
    }
  } finally {
    await cleanup.run()
  }
}

function keep(results: Results): void {
  writeFileSync(json, asJson(results))
  const page = place('docs/performance.md')
  writeFileSync(page, fillPage(readFileSync(page, 'utf8'), results))
  writeFileSync(place('docs/images/performance.svg'), chart(results))
}

function never(): never {
  throw new Error('a section found nothing')
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
