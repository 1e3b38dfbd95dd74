import type { Proposal, ProposedRule } from './proposed-rules.ts'
import { type PolicyLanguage, spellComment, spellRule } from './rule-spelling.ts'

const examples: readonly ProposedRule['rule'][] = [
  { path: '/docs', access: 'public' },
  { path: '/openapi.json', access: 'public' },
  { path: '/', access: 'optional' },
  { path: '/internal/*', access: 'deny' }
]

// Not spelled out as an import below: what this module imports is told from its text.
const gateway = "'@gatehouse/gateway'"

const heading = [
  'Who may reach what. public: everybody. optional: everybody, and the app is told who is signed in. session: who is signed in.',
  'deny: nobody. A request that no rule names needs a session. docs/policy.md has everything else that can stand here.'
]
const told = 'What the app is told of a user besides id and address: here the name, in X-User-Name.'
const toDecide =
  'A line that says "decide" opens something as soon as its first mark is taken away. Until then a session is needed.'

/** A policy file with these rules, or with examples that are switched off. `schema`: the line by which editors complete it. */
export function policyFile(language: PolicyLanguage, rules: readonly ProposedRule[] = [], schema?: string): string {
  const comment = (sentence: string) => spellComment(sentence, language)
  const undecided = rules.some(({ mark }) => mark === 'undecided')
  const lines =
    rules.length === 0
      ? examples.map((rule) => comment(spellRule(rule, language)))
      : rules.map((rule) => ruleLine(rule, language))
  const head = [...heading, ...(undecided ? [toDecide] : [])].map(comment)
  if (language === 'toml')
    return text([
      ...(schema === undefined ? [] : [schema]),
      ...head,
      'routes = [',
      ...indented(lines, 2),
      ']',
      '',
      comment(told),
      'principal_headers = ["name"]'
    ])
  return text([
    `import { defineConfig } from ${gateway}`,
    '',
    'export default defineConfig({',
    ...indented([...head, 'routes: [', ...indented(lines, 2), '],', comment(told), "principalHeaders: ['name']"], 2),
    '})'
  ])
}

/** The rule as a line of a policy file; what a person has to decide is switched off, and says so. */
export function ruleLine({ mark, rule, reason }: ProposedRule, language: PolicyLanguage): string {
  const spelt = spellRule(rule, language)
  const said = (sentence: string) => `  ${spellComment(sentence, language)}`
  if (mark === 'undecided') return spellComment(spelt, language) + said(`decide: ${reason}`)
  return spelt + (reason === undefined ? '' : said(reason))
}

/** What a proposal changes, as a diff: the rules that there are, and those that go and come. */
export function proposalDiff(
  { rules }: Proposal,
  language: PolicyLanguage,
  names: { readonly before: string; readonly after: string }
): string[] {
  const marks = { kept: ' ', removed: '-', added: '+', undecided: '+' } as const
  const lines = rules.map((rule) => `${marks[rule.mark]}  ${ruleLine(rule, language)}`)
  return [`--- ${names.before}`, `+++ ${names.after}`, ...lines]
}

function indented(lines: readonly string[], by: number): string[] {
  return lines.map((line) => ' '.repeat(by) + line)
}

function text(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`
}
