import { type Method, methods } from '../../../auth/http-methods.ts'
import { compileRules } from '../../../proxy/compile-route-rules.ts'
import type { RouteRule } from '../../../proxy/route-rules.ts'
import type { Config } from '../../config/environment.ts'
import { reservedPaths } from '../../config/load-settings.ts'
import { ownPathsOf, type PolicyConfig } from '../../policy-file.ts'
import { type Coverage, coverageOf, ownPages, type Reach, unusedSentence } from '../openapi-coverage.ts'
import { pathTemplate } from '../path-template.ts'
import { createRouteMatcher } from '../route-decision.ts'
import { lineOf } from '../routes-table.ts'
import type { AppOperation, AppOutline } from './app-outline.ts'
import { rulePathOf, shapeOf, widened } from './rule-paths.ts'

/** A rule of a policy that is proposed. */
export interface ProposedRule {
  /** `undecided`: it would open something, which a person has to decide. Until then nothing is opened. */
  readonly mark: 'kept' | 'removed' | 'added' | 'undecided'
  readonly rule: RouteRule
  /** Why, where there is something to say. */
  readonly reason?: string
}

/** What is proposed for an app, against a policy that there is. */
export interface Proposal {
  /** In the order of the policy, then of the app's document. */
  readonly rules: readonly ProposedRule[]
  /** What no rule can settle, in sentences. */
  readonly notes: readonly string[]
  /** The paths that `routes --openapi` has to be told of with `--also`, since the document does not list them. */
  readonly also: readonly string[]
}

/** The policy that a proposal starts from. */
export interface PresentPolicy {
  readonly config: Pick<Config, 'pages' | 'publicHealthPath'>
  readonly policy: Pick<PolicyConfig, 'routes' | 'auth' | 'pages'>
}

const everywhere = 'the document asks for no credentials'
const wanted = 'the app asks who is there, and takes nobody for an answer'

/**
 * Proposes rules for what no rule names yet: a session where the app's document asks for credentials, and, for a person to
 * decide, `public` or `optional` where it does not. Where a present rule opens what the document secures, it is narrowed.
 * Nothing else that the present policy says is changed. All that would open a secured operation is left out.
 */
export async function proposeRules(present: PresentPolicy, outline: AppOutline): Promise<Proposal> {
  const reserved = reservedPaths(present.config, ownPathsOf(present.policy))
  const { operations, unlisted } = outline
  // FastAPI's document has one segment where the app has several: what holds for one reading has to hold for the other.
  const asListed = operations.map((operation) => ({ ...operation, path: operation.path.replaceAll(':path}', '}') }))
  const notes = new Set<string>()
  let rules: ProposedRule[] = present.policy.routes.map((rule) => ({ mark: 'kept', rule }))

  const before = await coverage()
  for (const [index, { reach }] of before.operations.entries()) {
    const operation = operations[index]
    if (operation === undefined || !isServed(operation.method)) continue
    if (reach.length > 0 && reach.every(({ access }) => access === 'gateway'))
      notes.add(`${nameOf(operation)} never reaches the app: the gateway answers ${reach[0]?.path} itself`)
    if (reach.some(({ byDefault }) => byDefault === true)) name(operation, operation.method)
  }
  await closeWhatIsSecured()
  await closeWhatIsUnlisted()
  await leaveOutWhatDecidesNothing()
  for (const { kind, sentence } of (await coverage(alsoNamed(), asListed)).findings)
    if (kind === 'unused') notes.add(sentence)
  return { rules, notes: [...notes], also: alsoNamed() }

  function coverage(also: readonly string[] = [], listed: readonly AppOperation[] = operations): Promise<Coverage> {
    return coverageOf(routing(), listed, also)
  }

  function routing() {
    const routes = rules.filter(({ mark }) => mark !== 'removed').map(({ rule }) => rule)
    const { config, policy } = present
    return { config, policy: { ...policy, routes }, routes: compileRules(routes, reserved).routes }
  }

  /** Adds what the document says of an operation that no rule names. */
  function name(operation: AppOperation, method: Method): void {
    const { path, exact } = rulePathOf(operation.path)
    if (compileRules([{ path, access: 'session' }], reserved).problems.length > 0) {
      notes.add(`${nameOf(operation)}: no rule can name it, so it needs a session`)
      return
    }
    if (operation.secured) close(path, operation)
    else if (exact) offer(path, method, operation.optional === true ? 'optional' : 'public')
    else {
      close(path)
      notes.add(
        `${nameOf(operation)}: ${everywhere}, but no rule can open it without opening more, so it needs a session`
      )
    }
  }

  function close(
    path: string,
    why: { readonly roles?: readonly string[] | undefined; readonly reason?: string } = {}
  ): void {
    const { roles = [], reason } = why
    const asks = `the document also asks for ${roles.map((role) => JSON.stringify(role)).join(', ')}`
    const said = roles.length === 0 ? reason : asks
    const same = rules.some(({ rule, mark }) => mark === 'added' && isClosing(rule) && isAt(rule, path))
    if (!same)
      rules.push({ mark: 'added', rule: { path, access: 'session' }, ...(said === undefined ? {} : { reason: said }) })
  }

  function offer(path: string, method: Method, access: 'public' | 'optional'): void {
    // Of two operations for the same requests one may ask who is there; everybody may have both.
    const others = rules.filter(({ rule, mark }) => mark === 'undecided' && isAt(rule, path))
    const rival = others.find(({ rule }) => rule.access !== access && rule.methods?.includes(method) === true)
    if (rival?.rule.access === 'optional') return
    if (rival !== undefined) withdraw(rival, method)
    const same = others.find(({ rule }) => rule.access === access)
    const named = [...new Set([...(same?.rule.methods ?? []), method])]
    const rule: RouteRule = { path: same?.rule.path ?? path, access, methods: named }
    const wide = /^\/(?::|\*$)/.test(path) ? '; this opens every such path that no other rule names' : ''
    const entry: ProposedRule = { mark: 'undecided', rule, reason: (access === 'public' ? everywhere : wanted) + wide }
    rules = same === undefined ? [...rules, entry] : rules.map((one) => (one === same ? entry : one))
  }

  /** Takes back what was offered, for one method, and closes its path. */
  function takeBack(offered: ProposedRule, method: string): void {
    const named = offered.rule.methods ?? []
    const taken = named.some((one) => one === method) ? method : 'GET'
    const { path } = offered.rule
    withdraw(offered, taken)
    close(path)
    notes.add(
      `${taken} ${path}: ${everywhere}, but a rule that opens it would open something else as well; it needs a session`
    )
  }

  function withdraw(offered: ProposedRule, method: string): void {
    const left = (offered.rule.methods ?? []).filter((one) => one !== method)
    rules = rules.flatMap((one) => {
      if (one !== offered) return [one]
      return left.length === 0 ? [] : [{ ...one, rule: { ...one.rule, methods: left } }]
    })
  }

  async function closeWhatIsSecured(): Promise<void> {
    const given = new Set<string>()
    // Each round takes something back or closes something, and there is only so much of both.
    const rounds = 2 * (operations.length + present.policy.routes.length) + 10
    for (let round = 0, changed = true; changed; round++) {
      if (round > rounds) throw new Error('the rules for this app do not come to an end')
      changed = false
      for (const listed of [operations, asListed]) {
        const { operations: covered } = await coverage([], listed)
        for (const [index, { reach, deeper = [] }] of covered.entries()) {
          const operation = operations[index]
          if (operation?.optional === true) changed = tellWhoAsks(reach) || changed
          if (operation?.secured !== true) continue
          const near = reach.find(isOpen)
          const far = deeper.find(isOpen)
          if (near !== undefined) changed = (await closeNear(operation, near, listed)) || changed
          else if (far !== undefined) changed = closeFar(operation, far, given) || changed
        }
      }
    }
  }

  /** An operation that asks who is there is told of nobody by a rule that is public: it may be `optional` instead. */
  function tellWhoAsks(reach: readonly Reach[]): boolean {
    const deaf = reach.find(({ access }) => access === 'public')
    const offered = deaf === undefined ? undefined : openerOf(deaf)
    if (offered?.mark !== 'undecided') return false
    for (const method of offered.rule.methods ?? []) offer(offered.rule.path, method, 'optional')
    return true
  }

  async function closeNear(operation: AppOperation, opening: Reach, listed: readonly AppOperation[]): Promise<boolean> {
    const opener = openerOf(opening)
    if (opener === undefined) return false
    if (opener.mark === 'undecided') {
      takeBack(opener, operation.method)
      return true
    }
    const method = methods.find((one) => one === operation.method)
    if (method === undefined) return false
    // The operation's own path is closed, unless the rule that opens it is more precise than that.
    const tried = rules
    for (const path of [rulePathOf(operation.path).path, opener.rule.path]) {
      rules = narrowed(tried, path, method)
      if (compileRules(routing().policy.routes, reserved).problems.length > 0) continue
      const { operations: covered } = await coverage([], listed)
      const after = covered[operations.indexOf(operation)]?.reach ?? []
      if (!after.some((one) => sameLine(one, opening))) return true
    }
    rules = tried
    notes.add(
      `${nameOf(operation)}: the document asks for credentials, and the rule ${opening.path} makes it ${opening.access}`
    )
    return false
  }

  function closeFar(operation: AppOperation, opening: Reach, given: Set<string>): boolean {
    const opener = openerOf(opening)
    const wide = widened(rulePathOf(operation.path).path)
    const own = rules.find(
      ({ rule, mark }) => mark === 'added' && isClosing(rule) && isAt(rule, rulePathOf(operation.path).path)
    )
    if (opener?.mark === 'undecided' && wide !== undefined && own !== undefined && !given.has(wide)) {
      given.add(wide)
      rules = rules.filter((one) => one !== own)
      close(wide, operation)
      return true
    }
    if (opener?.mark === 'undecided') {
      takeBack(opener, operation.method)
      return true
    }
    notes.add(
      `${nameOf(operation)}: the document asks for credentials, and the rule ${opening.path} makes it ${opening.access} if its last parameter takes several segments`
    )
    return false
  }

  function openerOf(opening: Reach): ProposedRule | undefined {
    return rules.find(({ mark, rule }) => mark !== 'removed' && sameLine(lineOf(rule), opening))
  }

  /** Names what the document does not list, where something that is offered would open it. */
  async function closeWhatIsUnlisted(): Promise<void> {
    for (const { path, what } of unlisted) {
      if (!(await opensUnlisted(path))) continue
      close(rulePathOf(path).path, { reason: `not in the document: ${what}` })
      for (let opener = await opensUnlisted(path); opener !== undefined; opener = await opensUnlisted(path))
        takeBack(opener, opener.rule.methods?.[0] ?? 'GET')
    }
    await closeWhatIsSecured()
  }

  /** Leaves out rules about nothing that the document lists, where nothing comes to be open or without a rule by that. */
  async function leaveOutWhatDecidesNothing(): Promise<void> {
    const { findings } = await coverage(alsoNamed(), asListed)
    const unused = new Set(findings.filter(({ kind }) => kind === 'unused').map(({ sentence }) => sentence))
    for (const one of rules) {
      const isOurs = one.mark === 'undecided' || (one.mark === 'added' && isClosing(one.rule))
      if (!isOurs || !unused.has(unusedSentence(one.rule))) continue
      const complete = rules
      const before = await whatIsLeft()
      rules = rules.filter((other) => other !== one)
      if ((await whatIsLeft()) > before) rules = complete
      else if (one.mark === 'undecided')
        notes.add(
          `${one.rule.methods?.join(', ')} ${one.rule.path}: ${everywhere}, but closer rules decide what it names`
        )
    }
  }

  /** How much is open that should not be, or without a rule. */
  async function whatIsLeft(): Promise<number> {
    const { findings } = await coverage([], asListed)
    const open = (await coverage()).findings.filter(({ kind }) => kind === 'open')
    const openers = await Promise.all(unlisted.map(({ path }) => opensUnlisted(path)))
    return findings.filter(({ kind }) => kind !== 'unused').length + open.length + openers.filter(Boolean).length
  }

  async function opensUnlisted(path: string): Promise<ProposedRule | undefined> {
    const decide = createRouteMatcher(routing())
    const template = pathTemplate(path)
    // What a more precise operation answers is that operation's; a more general one leaves this path to this.
    const [general = path] = template.instances([])
    const precise = operations.filter((one) => !pathTemplate(one.path).matches(general))
    for (const method of methods) {
      const rivals = precise
        .filter((one) => one.method === method || (method === 'HEAD' && one.method === 'GET'))
        .map((one) => pathTemplate(one.path))
      for (const instance of template.instances(rules.map(({ rule }) => rule.path))) {
        if (rivals.some((rival) => rival.matches(instance))) continue
        const decision = await decide(method, instance.split('/').map(encodeURIComponent).join('/'))
        if (decision.kind !== 'rule') continue
        const opener = rules.find(({ mark, rule }) => mark === 'undecided' && rule === decision.rule)
        if (opener !== undefined) return opener
      }
    }
    return undefined
  }

  /** Of the paths that the document does not list, those that a rule was added for. */
  function alsoNamed(): string[] {
    const named = new Set(rules.filter(({ mark }) => mark !== 'removed').map(({ rule }) => shapeOf(rule.path)))
    const paths = [...operations.filter(({ mounted }) => mounted === true), ...unlisted].map(({ path }) => path)
    return [...new Set(paths)].filter((path) => {
      const { path: own } = rulePathOf(path)
      const wide = widened(own)
      return !ownPages.includes(path) && (named.has(shapeOf(own)) || (wide !== undefined && named.has(shapeOf(wide))))
    })
  }
}

/** The rules with a session asked for at this path by this method, and no rule for the same requests left beside that. */
function narrowed(rules: readonly ProposedRule[], path: string, method: Method): ProposedRule[] {
  const after = rules.flatMap((one): ProposedRule[] => {
    const { mark, rule } = one
    if (mark === 'removed' || !isAt(rule, path) || rule.methods?.includes(method) !== true) return [one]
    const left = rule.methods.filter((name) => name !== method)
    const rest: ProposedRule[] = left.length === 0 ? [] : [{ mark: 'added', rule: { ...rule, methods: left } }]
    return [...(mark === 'kept' ? [{ mark: 'removed' as const, rule }] : []), ...rest]
  })
  const reason = 'the document asks for credentials'
  return [...after, { mark: 'added', rule: { path, access: 'session', methods: [method] }, reason }]
}

function isAt(rule: RouteRule, path: string): boolean {
  return shapeOf(rule.path) === shapeOf(path)
}

function isClosing(rule: RouteRule): boolean {
  return rule.access === 'session' && rule.methods === undefined
}

function isOpen({ access }: Reach): boolean {
  return access === 'public' || access === 'optional'
}

function isServed(method: string): method is Method {
  return methods.some((one) => one === method)
}

function sameLine(a: object, b: object): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function nameOf({ method, path }: AppOperation): string {
  return `${method} ${path}`
}
