import { execFileSync } from 'node:child_process'
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** A process and all its descendants, as they are now. Linux only. */
export function processTree(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const parent = Number.isInteger(pid) ? fieldsOf(pid)[1] : undefined
    if (parent === undefined) continue
    const siblings = children.get(Number(parent))
    if (siblings === undefined) children.set(Number(parent), [pid])
    else siblings.push(pid)
  }
  const tree = [...new Set(roots)]
  for (const pid of tree) for (const child of children.get(pid) ?? []) if (!tree.includes(child)) tree.push(child)
  return tree
}

/** CPU time that these processes and their descendants have used, all threads, user and system, in µs. */
export function cpuMicroseconds(roots: readonly number[]): number {
  let ticks = 0
  for (const pid of processTree(roots)) {
    const fields = fieldsOf(pid)
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  }
  return (ticks * 1_000_000) / ticksPerSecond()
}

/** Resident memory of these processes and their descendants, in bytes. Pages they share count for each. */
export function residentBytes(roots: readonly number[]): number {
  let kilobytes = 0
  for (const pid of processTree(roots)) {
    kilobytes += Number(/^VmRSS:\s+(\d+) kB$/m.exec(readOrNothing(`/proc/${pid}/status`))?.[1] ?? 0)
  }
  return kilobytes * 1024
}

/** How many files a process may have open: what it may use now. */
export function descriptorLimit(pid: number | 'self'): number {
  const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(readOrNothing(`/proc/${pid}/limits`)) ?? []
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft ?? 0)
}

/** Where a program is, looked for on the path and in the system's folders; undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

/** The first line that a program prints about itself, undefined when it prints none. */
export function programVersion(path: string, argument: string): string | undefined {
  try {
    const text = execFileSync('/bin/sh', ['-c', '"$0" "$1" 2>&1 || true', path, argument], { encoding: 'utf8' })
    return /\d+\.\d+(?:\.\d+)?/.exec(text)?.[0]
  } catch {
    return undefined
  }
}

let ticks: number | undefined

function ticksPerSecond(): number {
  ticks ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  return ticks
}

// What follows the name, which may hold anything: state, parent, …; user and system time are the 12th and 13th.
function fieldsOf(pid: number): string[] {
  const text = readOrNothing(`/proc/${pid}/stat`)
  return text === '' ? [] : text.slice(text.lastIndexOf(')') + 2).split(' ')
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
