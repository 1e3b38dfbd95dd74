import { readFileSync } from 'node:fs'
import t from 'tap'
import { pageOf, pages, proseOf, rowsOf } from './documents.ts'

// The wordings are no export: only problem.ts may use them. Their codes and statuses stand in its source.
const source = readFileSync(new URL('../../src/refusals/problem.ts', import.meta.url), 'utf8')
const worded = [...source.matchAll(/^ {2}([A-Z][A-Z_]+): \[\s*(\d{3}),/gm)].map(([, code = '', status = '']) => ({
  code,
  status
}))

t.test('docs/refusals.md has every code with its status, and no other', async (t) => {
  const refusals = rowsOf(pageOf('docs/refusals.md')).filter(([status = '']) => /^\d{3}$/.test(status))
  const rows = refusals.map(([status, code = '']) => ({
    code: code.replaceAll('`', ''),
    status
  }))
  const byCode = (a: { code: string }, b: { code: string }) => (a.code < b.code ? -1 : 1)
  t.ok(worded.length > 15, 'the codes were found in the source')
  t.same(rows.sort(byCode), worded.sort(byCode))
})

t.test('a status beside a code is that of the code, on every page', async (t) => {
  for (const page of pages) {
    for (const [, status, code] of proseOf(page).matchAll(/\b([45]\d\d) `([A-Z_]+)`/g)) {
      const known = worded.find((wording) => wording.code === code)
      if (known !== undefined) t.equal(status, known.status, `${page.path}: ${code}`)
    }
  }
})
