import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** What to run. */
export interface Command {
  /** How messages call it. */
  name: string
  command: string
  args: readonly string[]
  cwd: string
  env: Record<string, string | undefined>
  /** Gets every line it prints, on either stream. */
  onLine?: (line: string) => void
  /** Milliseconds between being asked to stop and being killed. */
  patience: number
}

/** How a process ended. */
export interface Ending {
  /** It exited with status 0. */
  ok: boolean
  /** A sentence, with its last lines. */
  description: string
}

/** A process that never outlives this one. */
export interface Child {
  readonly name: string
  /** Never rejects. */
  readonly ended: Promise<Ending>
  /** Asks it to stop, kills it when it does not, and waits until it is gone. */
  stop(): Promise<void>
}

/** Starts a process in a group of its own, so that Ctrl-C in the terminal reaches it once, from here. */
export function startChild(options: Command): Child {
  const child = spawn(options.command, [...options.args], {
    cwd: options.cwd,
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true
  })
  const lastLines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      // The frames of a stack trace would push out the sentence above them.
      if (!/^\s+at /.test(line)) lastLines.push(line)
      if (lastLines.length > 12) lastLines.shift()
      options.onLine?.(line)
    })
  }
  const killAtExit = () => signalGroup(child, 'SIGKILL')
  process.once('exit', killAtExit)

  const ended = new Promise<Ending>((resolve) => {
    child.once('error', (error) =>
      resolve({ ok: false, description: `${options.name} could not be started: ${error.message}` })
    )
    // 'close' rather than 'exit': by then its last lines have been read.
    child.once('close', (code, signal) => {
      process.removeListener('exit', killAtExit)
      const how = `${options.name} stopped (${signal ?? `exit status ${code}`}).`
      const description = [how, ...lastLines.map((line) => `  ${readable(line)}`)].join('\n')
      resolve({ ok: code === 0, description })
    })
  })

  async function stop(): Promise<void> {
    signalGroup(child, 'SIGTERM')
    const force = setTimeout(signalGroup, options.patience, child, 'SIGKILL')
    await ended
    clearTimeout(force)
  }

  return { name: options.name, ended, stop }
}

/** A log line as a person would want it: the sentence of a JSON line, any other line as it is. */
export function readable(line: string): string {
  const entry = logEntry(line)
  if (entry === undefined) return line
  const cause = entry.error === undefined || entry.message.includes(entry.error) ? '' : `: ${entry.error}`
  return `${entry.message}${cause}`
}

/** What a JSON log line says; undefined for any other line. */
export interface LogEntry {
  message: string
  level: number
  error: string | undefined
  /** The line's further fields. */
  field(name: string): string | undefined
}

/** Reads a JSON log line. */
export function logEntry(line: string): LogEntry | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    return undefined
  }
  const message = textOf(parsed, 'msg')
  if (message === undefined) return undefined
  const level = fieldOf(parsed, 'level')
  return {
    message,
    level: typeof level === 'number' ? level : 30,
    error: textOf(fieldOf(parsed, 'err'), 'message'),
    field: (name) => textOf(parsed, name)
  }
}

function fieldOf(object: unknown, name: string): unknown {
  return typeof object === 'object' && object !== null ? Reflect.get(object, name) : undefined
}

function textOf(object: unknown, name: string): string | undefined {
  const value = fieldOf(object, name)
  return typeof value === 'string' ? value : undefined
}

function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, name)
  } catch {
    // It is gone already.
  }
}
