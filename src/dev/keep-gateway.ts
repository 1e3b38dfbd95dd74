import { basename, relative, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type Child, type ChildHost, startChild } from './child.ts'
import type { DevOutput } from './dev-output.ts'
import { type FromGateway, readFromGateway, type SeenMail, type ToGateway } from './gateway-channel.ts'
import { watchFiles } from './watch-files.ts'

/** Where a gateway is that answers, and what its policy has no sender for. */
export type ReadyGateway = Omit<Extract<FromGateway, { kind: 'ready' }>, 'kind'> & {
  readonly unsent: readonly string[]
}

export interface KeptGatewayOptions {
  readonly host: ChildHost & Pick<NodeJS.Process, 'env' | 'argv' | 'execPath' | 'execArgv'>
  readonly cwd: string
  /** What it is told beyond the environment of the shell. */
  readonly env: Record<string, string | undefined>
  /** Of a database on another machine that somebody has said is meant. */
  readonly confirmedHosts: readonly string[]
  readonly output: DevOutput
  /** Those of all gateways so far. */
  readonly mails: readonly SeenMail[]
  /** Told each time that one is ready. */
  readonly onReady: (gateway: ReadyGateway) => void
  readonly onSaid: (said: Extract<FromGateway, { kind: 'exchange' | 'mail' | 'link' }>) => void
  /** The first one cannot start, and no change of the policy would help. */
  readonly onGiveUp: (exitCode: 1 | 2) => void
}

/** Of the policy, in the order in which they are looked for. */
const policyNames = [
  ...['ts', 'mts', 'js', 'mjs'].map((ending) => `gatehouse.config.${ending}`),
  'gatehouse.toml',
  'pyproject.toml'
]

type State = Extract<FromGateway, { kind: 'loaded' | 'ready' | 'problems' }> | { kind: 'ended'; how: string }

interface Gateway {
  readonly child: Child
  /** Resolves to its next word about how it is. */
  next(): Promise<State>
}

const patienceMs = 5_000
const settledMs = 30_000
const pauseMs = 1_000
const retryMs = 5_000

/**
 * Starts the gateway, and another in its place when the policy changes or when it dies. The next one reads the policy
 * before the one before it ends: one with a mistake changes nothing.
 */
export function keepGateway(options: KeptGatewayOptions) {
  const { host, cwd, output, mails, onReady, onGiveUp } = options
  let current: Gateway | undefined
  let stopping = false
  let wasReady = false
  let lastProblem = ''
  let turn = Promise.resolve()
  let waiting = 0
  const started = new Set<Child>()

  // What a project says of its packages in pyproject.toml is no policy.
  const files = watchFiles(
    (changed) => {
      output.say(`${changed.map((file) => relative(cwd, file)).join(', ')} changed.`)
      replace('The gateway has the new policy, and everybody is still signed in.')
    },
    (file, text) => basename(file) !== 'pyproject.toml' || text.includes('gatehouse')
  )

  /** One after the other; while one waits for its turn, a further one would only do the same. */
  function replace(sentence?: string): void {
    if (waiting > 0) return
    waiting++
    turn = turn.then(async () => {
      waiting--
      if (!stopping) await attempt(sentence)
    })
  }

  async function attempt(sentence: string | undefined): Promise<void> {
    const next = launch()
    const loaded = await next.next()
    if (loaded.kind !== 'loaded') return notReplaced(loaded, next, false)
    await files.watch(policyFiles(loaded.files))
    const before = current
    current = undefined
    await before?.child.stop()
    if (stopping) return next.child.stop()
    current = next
    tell({ kind: 'go', mails: [...mails] })
    const state = await next.next()
    if (state.kind !== 'ready') {
      current = undefined
      return notReplaced(state, next, true)
    }
    wasReady = true
    lastProblem = ''
    void watchOver(next)
    onReady({ ...state, unsent: loaded.unsent })
    if (sentence !== undefined) output.say(sentence)
  }

  async function notReplaced(state: State, { child }: Gateway, couldRead: boolean): Promise<void> {
    if (stopping) return
    const lines = state.kind === 'problems' ? state.lines : [`The gateway ${endingOf(state)}`]
    const isNew = lines.join() !== lastProblem
    lastProblem = lines.join()
    if (isNew) for (const line of lines) output.warn(line)
    await child.stop()
    if (state.kind === 'problems') await files.watch(policyFiles(state.files))
    if (couldRead) {
      if (!wasReady) return onGiveUp(state.kind === 'problems' ? state.exitCode : 1)
      // Migrations that have to be applied, a port that somebody took: what keeps it may be over without a change here.
      if (isNew) output.say(`The gateway is tried again every ${retryMs / 1_000} s, and when the policy changes.`)
      setTimeout(() => current === undefined && replace('The gateway is back.'), retryMs).unref()
      return
    }
    output.say(
      current === undefined
        ? 'The gateway waits for the next change of the policy.'
        : 'The gateway goes on with the policy that it has.'
    )
  }

  async function watchOver(gateway: Gateway): Promise<void> {
    const since = Date.now()
    const state = await gateway.next()
    if (stopping || current !== gateway) return
    current = undefined
    if (state.kind === 'problems') for (const line of state.lines) output.warn(line)
    output.warn(`The gateway ${endingOf(state)} It is started again.`)
    await gateway.child.stop()
    if (Date.now() - since < settledMs) await wait(pauseMs)
    replace('The gateway is back.')
  }

  function policyFiles(imported: readonly string[]): string[] {
    const named = host.env['GATEHOUSE_CONFIG'] ?? ''
    return [...(named === '' ? policyNames : [named]).map((name) => resolve(cwd, name)), ...imported]
  }

  function launch(): Gateway {
    const states: State[] = []
    let awaiting: ((state: State) => void) | undefined
    const push = (state: State) => {
      if (awaiting === undefined) states.push(state)
      else awaiting(state)
      awaiting = undefined
    }
    const child = startChild(host, {
      name: 'The gateway',
      command: host.execPath,
      args: [...host.execArgv, host.argv[1] ?? '', 'dev-gateway', ...options.confirmedHosts],
      cwd,
      env: { ...host.env, ...options.env },
      onLine: (line) => output.gateway(line),
      onMessage(message) {
        const said = readFromGateway(message)
        if (said === undefined) return
        if (said.kind === 'loaded' || said.kind === 'ready' || said.kind === 'problems') push(said)
        else options.onSaid(said)
      },
      patience: patienceMs
    })
    started.add(child)
    void child.ended.then(({ how }) => {
      started.delete(child)
      push({ kind: 'ended', how })
    })
    const next = () =>
      new Promise<State>((resolve) => {
        const state = states.shift()
        if (state === undefined) awaiting = resolve
        else resolve(state)
      })
    return { child, next }
  }

  function tell(message: ToGateway): void {
    current?.child.send(message)
  }

  void files.watch(policyFiles([])).then(() => replace())
  return {
    tell,
    async stop(): Promise<void> {
      stopping = true
      files.close()
      await Promise.all([...started].map((child) => child.stop()))
    }
  }
}

function endingOf(state: State): string {
  return state.kind === 'ended' ? state.how : 'failed.'
}
