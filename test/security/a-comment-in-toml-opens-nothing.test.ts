import { join } from 'node:path'
import t from 'tap'
import { loadPolicy } from '../../src/policy-file.ts'
import { isEach, problemsFrom } from '../src/problems.ts'

const hidden: readonly (readonly [what: string, text: string, line: number])[] = [
  ['a comment with a bare CR', 'routes = [\n  # closed\r { path = "/admin/*", access = "public" },\n]\n', 2],
  ['two CRs at an end of a line', 'routes = []\r\n# closed\r\r\npages.path = "/p"\n', 2],
  ['a CR at the end of the file', 'routes = []\r', 1],
  ['a comment with a NUL', 'routes = []\n\n# \u0000\n', 3],
  ['a comment with an escape', '# \u001b[2K\nroutes = []\n', 1],
  ['a comment with DEL', '# \u007f\nroutes = []\n', 1],
  ['a comment with a form feed', '# \f\nroutes = []\n', 1]
]

for (const [what, text, line] of hidden)
  t.test(`${what} is no TOML`, async (t) => {
    for (const [name, before] of [
      ['gatehouse.toml', ''],
      ['pyproject.toml', '[tool.gatehouse]\n']
    ] as const) {
      const path = join(t.testdir({ [name]: before + text }), name)
      const problems = await problemsFrom(loadPolicy({ path, named: true }))
      isEach(t, problems, [/is not TOML: it has a control character here, or a carriage return that ends no line$/])
      t.ok(problems[0]?.startsWith(`${path}:${before === '' ? line : line + 1}: `), problems.join())
    }
  })

t.test('lines may end as on Windows, and have tabs', async (t) => {
  const path = join(t.testdir({ 'gatehouse.toml': '# a\tb\r\nroutes = [\r\n]\r\n' }), 'gatehouse.toml')
  t.same((await loadPolicy({ path, named: true })).routes, [])
})
