import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { variableNames } from '../../src/config/environment.ts'
import { blocksOf, blockWith, pageOf, root } from './documents.ts'

const site = 'examples/docusaurus'
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const bare = (text: string) => text.replace(/^\s*\/\/.*$/gm, '').replace(/\s+/g, ' ')

t.test('the policy that the guide shows is the one of the example', async (t) => {
  const shown = blockWith('docs/docusaurus.md', 'members: {').replace(
    "'@gatehouse/gateway'",
    "'../../src/policy-file.ts'"
  )
  t.equal(bare(shown), bare(read(`${site}/gatehouse.config.mts`)))
})

t.test('code that the guide shows is that of the example', async (t) => {
  const code = read(`${site}/src/components/Account.tsx`)
  const shown = blocksOf(pageOf('docs/docusaurus.md')).filter(({ language }) => language === 'tsx')
  t.ok(shown.length > 0)
  for (const { text } of shown) t.ok(code.includes(text.trim()), text)
})

// What they do is tried in test/browser, with the same scripts.
t.test('commands for the site name its scripts, its files and variables that somebody reads', async (t) => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(read(`${site}/package.json`))
  const pages = ['docs/docusaurus.md', `${site}/README.md`].map(pageOf)
  const commands = pages.flatMap(blocksOf).filter(({ language }) => language === 'sh')
  t.ok(commands.length >= 4)
  for (const line of commands.flatMap(({ text }) => text.trim().split('\n'))) {
    const [, settings = '', command = ''] = /^((?:[A-Z_]+=\S+ )*)(.*)$/.exec(line) ?? []
    for (const [, name = '', value = ''] of settings.matchAll(/([A-Z_]+)=(\S+)/g)) {
      t.ok(variableNames.includes(name) || read(`${site}/site.ts`).includes(`'${name}'`), name)
      if (name === 'GATEHOUSE_CONFIG') t.ok(existsSync(join(root, value)), value)
    }
    const script = /^npm --prefix examples\/docusaurus (?:run )?([\w:]+)$/.exec(command)?.[1]
    t.ok(command === 'npm run demo' || script === 'ci' || Object.hasOwn(scripts, script ?? ''), command)
  }
})
