import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { isRecord } from '../../db/type-guards.ts'

/** What of the own process its children need. */
export type ChildHost = Pick<NodeJS.Process, 'kill' | 'once' | 'removeListener'>

/** What to run. */
export interface Command {
  /** How messages call it. */
  name: string
  command: string
  args: readonly string[]
  cwd: string
  env: Record<string, string | undefined>
  /** Gets every line it prints, on either stream. */
  onLine?: (line: string) => unknown
  /** Gets what it sends over an IPC channel, which it has only then. */
  onMessage?: (message: unknown) => void
  /** Milliseconds between being asked to stop and being killed. */
  patience: number
}

/** How a process ended. */
export interface Ending {
  /** It exited with status 0. */
  ok: boolean
  /** What became of it, in a few words. */
  how: string
  /** A sentence, with its last lines. */
  description: string
}

/** A process that never outlives this one. */
export interface Child {
  readonly name: string
  readonly pid: number | undefined
  /** Never rejects. */
  readonly ended: Promise<Ending>
  /** Sends a message to a child that has a channel; one that is gone gets none. */
  send(message: object): void
  /** Asks it to stop, kills it when it does not, and waits until it is gone. */
  stop(): Promise<void>
}

// The process runs in place of the shell, and a second shell beside it in the same group waits at the other end of a pipe
// that this process holds and nobody else: however this process ends, killed as well, the pipe ends, and the group with it.
// Of what the command starts only a process that makes a group of its own is not in it.
const guarded = `(
  trap '' HUP INT TERM
  read -r line
  kill -TERM 0
  sleep 3
  kill -KILL 0
) <&3 3<&- 4<&- >/dev/null 2>&1 &
exec "$@" 3<&-`

/** Starts a process in a group of its own, so that Ctrl-C in the terminal reaches it once, from here. */
export function startChild(host: ChildHost, options: Command): Child {
  const child = spawn('/bin/sh', ['-c', guarded, 'sh', options.command, ...options.args], {
    cwd: options.cwd,
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', ...(options.onMessage === undefined ? [] : (['ipc'] as const))],
    detached: true
  })
  const lastLines: string[] = []
  for (const stream of [child.stdout, child.stderr]) if (stream !== null) readLines(stream)
  child.stdio[3]?.on('error', () => {})
  if (options.onMessage !== undefined) child.on('message', options.onMessage)
  const kill = () => signalGroup(host, child, 'SIGKILL')
  host.once('exit', kill)
  // What it has started, and the shell that waits, are left behind otherwise.
  child.once('exit', kill)

  function readLines(input: Readable): void {
    createInterface({ input }).on('line', (line) => {
      // The frames of a stack trace would push out the sentence above them.
      if (!/^\s+at /.test(line)) lastLines.push(line)
      if (lastLines.length > 12) lastLines.shift()
      options.onLine?.(line)
    })
  }

  const ended = new Promise<Ending>((resolve) => {
    child.once('error', (error) => {
      const how = `could not be started: ${error.message}`
      resolve({ ok: false, how, description: `${options.name} ${how}` })
    })
    // 'close' rather than 'exit': by then its last lines have been read.
    child.once('close', (code, signal) => {
      host.removeListener('exit', kill)
      const how = wordsFor(options.command, code, signal)
      const description = [`${options.name} ${how}`, ...lastLines.map((line) => `  ${readable(line)}`)].join('\n')
      resolve({ ok: code === 0, how, description })
    })
  })

  async function stop(): Promise<void> {
    signalGroup(host, child, 'SIGTERM')
    const force = setTimeout(kill, options.patience)
    await ended
    clearTimeout(force)
  }

  function send(message: object): void {
    if (child.connected) child.send(message, () => {})
  }

  return { name: options.name, pid: child.pid, ended, send, stop }
}

// 126 and 127 are the shell's, where there was nothing to run.
function wordsFor(command: string, code: number | null, signal: NodeJS.Signals | null): string {
  if (code === 127) return `could not be started: there is no ${command} on the PATH.`
  if (code === 126) return `could not be started: ${command} is not a program that this user may run.`
  return `stopped (${signal ?? `exit status ${code}`}).`
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
  const failure = fieldOf(parsed, 'err')
  return {
    message,
    level: typeof level === 'number' ? level : 30,
    error: textOf(failure, 'message') ?? textOf(failure, 'code') ?? textOf(failure, 'type'),
    field: (name) => textOf(parsed, name)
  }
}

function fieldOf(object: unknown, name: string): unknown {
  return isRecord(object) ? object[name] : undefined
}

function textOf(object: unknown, name: string): string | undefined {
  const value = fieldOf(object, name)
  return typeof value === 'string' ? value : undefined
}

function signalGroup(host: Pick<ChildHost, 'kill'>, child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    host.kill(-child.pid, name)
  } catch {
    // It is gone already.
  }
}
