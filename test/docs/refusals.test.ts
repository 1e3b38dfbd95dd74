import t from 'tap'
import { refusals } from '../../auth/refusals.ts'
import { pageOf, pages, proseOf, rowsOf } from './documents.ts'

const worded = Object.entries(refusals).map(([code, [status]]) => ({ code, status: String(status) }))

t.test('docs/refusals.md has every code with its status, and no other', async (t) => {
  const documented = rowsOf(pageOf('docs/refusals.md')).filter(([status = '']) => /^\d{3}$/.test(status))
  const rows = documented.map(([status, code = '']) => ({
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
