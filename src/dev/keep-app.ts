import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type AppStart, appEnvironment } from './app-process.ts'
import { type Child, type ChildHost, startChild } from './child.ts'
import type { DevOutput } from './dev-output.ts'
import type { AppPlan } from './dev-plan.ts'
import { watchFiles } from './watch-files.ts'

export interface KeptAppOptions {
  readonly host: ChildHost & Pick<NodeJS.Process, 'env'>
  readonly cwd: string
  readonly plan: AppPlan
  readonly start: AppStart
  /** Of 127.0.0.1. */
  readonly port: number
  /** UPSTREAM_TOKEN. */
  readonly token: string
  readonly output: DevOutput
  /** Told each time that it answers after it was started. */
  readonly onAnswer: () => void
}

const firstPauseMs = 500
const longestPauseMs = 15_000
const settledMs = 30_000
const patienceMs = 4_000
const slowMs = 10_000
const askAgainMs = 150

/** Starts the app, and again whenever it ends, each time a little later, or at once when a file of it changes. */
export function keepApp(options: KeptAppOptions): { stop(): Promise<void> } {
  const { host, cwd, plan, start, port, token, output, onAnswer } = options
  const stopping = new AbortController()
  let child: Child | undefined
  let wake = () => {}
  const files = watchFiles(() => wake())

  async function keep(): Promise<void> {
    await files.watch(likelyFiles(plan, cwd))
    for (let failures = 0; !stopping.signal.aborted; ) {
      const startedAt = Date.now()
      child = startChild(host, {
        name: 'The app',
        command: start.command,
        args: start.args,
        cwd,
        env: appEnvironment(host.env, port, token),
        // The address to open is the gateway's: whoever opens the app's is nobody to it.
        onLine: (line) => !line.includes('Uvicorn running on ') && output.app(line),
        patience: patienceMs
      })
      void tellWhenItAnswers(child)
      const { how } = await child.ended
      if (stopping.signal.aborted) return
      failures = Date.now() - startedAt > settledMs ? 0 : failures + 1
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** failures)
      const again = `It is started again in ${pauseMs / 1_000} s, or as soon as it is changed.`
      output.warn(`The app ${how} ${again}`)
      await pause(pauseMs)
    }
  }

  async function tellWhenItAnswers({ ended }: Child): Promise<void> {
    const gone = new AbortController()
    void ended.then(() => gone.abort())
    const late = setTimeout(() => output.warn('The app does not answer yet: its own lines say why.'), slowMs)
    const answered = await answers(port, gone.signal)
    clearTimeout(late)
    if (answered && !stopping.signal.aborted) onAnswer()
  }

  async function pause(ms: number): Promise<void> {
    const over = new AbortController()
    const woken = new Promise<void>((resolve) => {
      wake = resolve
    })
    const timed = wait(ms, undefined, { signal: AbortSignal.any([over.signal, stopping.signal]) })
    await Promise.race([woken, timed.catch(() => {})])
    over.abort()
  }

  void keep()
  return {
    async stop() {
      stopping.abort()
      files.close()
      await child?.stop()
    }
  }
}

/** Waits until whatever listens on this port has answered a request, in whatever way. False where that is given up. */
async function answers(port: number, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    try {
      // Under uvicorn's reloader the port is open before there is an app: the request waits for it.
      await fetch(`http://127.0.0.1:${port}/`, { method: 'HEAD', redirect: 'manual', signal })
      return true
    } catch {
      await wait(askAgainMs)
    }
  }
  return false
}

/** What an app that cannot be started is mended in. One that is there reloads by itself. */
function likelyFiles(plan: AppPlan, cwd: string): string[] {
  if (plan.kind !== 'asgi') return []
  const module = join(cwd, ...(plan.app.split(':')[0] ?? '').split('.'))
  return [`${module}.py`, join(module, '__init__.py')]
}
