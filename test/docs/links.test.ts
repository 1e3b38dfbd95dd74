import { existsSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { pageOf, pages, proseOf, root, rowsOf } from './documents.ts'

// As GitHub makes them.
function anchorsOf(path: string): string[] {
  return [...proseOf(pageOf(path)).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-')
  )
}

for (const page of pages) {
  t.test(`${page.path} links to what exists`, async (t) => {
    const links = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)
    for (const link of links.filter((address) => !/^https?:/.test(address))) {
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? page.path : normalize(join(dirname(page.path), file))
      if (!t.ok(existsSync(join(root, target)), `${link}: the file exists`)) continue
      if (anchor !== undefined) t.ok(anchorsOf(target).includes(anchor), `${link}: the heading exists`)
    }
    t.pass('every link was followed')
  })
}

t.test('every page in docs/ is linked from the README', async (t) => {
  const { text } = pageOf('README.md')
  for (const { path } of pages.filter((page) => page.path.startsWith('docs/'))) t.ok(text.includes(`(${path})`), path)
})

t.test('every threat names a test', async (t) => {
  const threats = rowsOf(pageOf('SECURITY.md'))
  t.ok(threats.length > 20)
  for (const [threat = '', , shownBy = ''] of threats) t.match(shownBy, /\]\(test\/.+\.test\.ts\)/, threat)
})
