import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { chart } from '../../bench/report/chart.ts'
import { fillPage } from '../../bench/report/page.ts'
import { readResults } from '../../bench/report/results.ts'
import { sections } from '../../bench/sections.ts'

const place = (path: string) => fileURLToPath(new URL(`../../docs/${path}`, import.meta.url))
const results = readResults(place('performance.json'))

t.test('the page about performance says what was measured', async (t) => {
  const page = readFileSync(place('performance.md'), 'utf8')
  t.equal(fillPage(page, results), page)
  for (const { name } of sections) t.ok(page.includes(`<!-- /${name} -->`), `there is a place for ${name}`)
})

t.test('so does the chart', async (t) => {
  t.equal(readFileSync(place('images/performance.svg'), 'utf8'), chart(results))
})
