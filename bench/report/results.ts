import { readFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { findProgram, programVersion } from '../os.ts'
import type { Findings } from '../sections/section.ts'

/** What a section found, with what it ran on. Nothing in it says whose machine that was. */
export interface SectionResult extends Findings {
  readonly title: string
  /** The day it ran, as `2026-11-21`. */
  readonly day: string
  readonly seconds: number
  readonly quick: boolean
  readonly generator: string
  readonly machine: string
  readonly versions: Readonly<Record<string, string>>
}

/** The latest result of every section, by its name. */
export type Results = Readonly<Record<string, SectionResult>>

/** The machine in a line: processor, cores, memory, system. */
export function machine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${availableParallelism()} cores (${model}, ${arch()}), ${memory} GB, ${platform()} ${release().split('-', 1)[0]}`
}

const packages = ['better-auth', 'fastify', '@fastify/http-proxy', 'undici', 'pg', '@electric-sql/pglite']
const programs = {
  nginx: '-v',
  haproxy: '-v',
  caddy: 'version',
  'oauth2-proxy': '--version',
  traefik: 'version',
  oathkeeper: 'version',
  wrk: '-v'
}

/** The versions of what took part. */
export function versions(): Record<string, string> {
  const found: Record<string, string> = { node: process.versions.node, gatehouse: versionIn('../../package.json') }
  for (const name of packages) found[name] = versionIn(`../../node_modules/${name}/package.json`)
  for (const [name, argument] of Object.entries(programs)) {
    const path = findProgram(name)
    const version = path === undefined ? undefined : programVersion(path, argument)
    if (version !== undefined) found[name] = version
  }
  return found
}

function versionIn(manifest: string): string {
  return JSON.parse(readFileSync(fileURLToPath(new URL(manifest, import.meta.url)), 'utf8')).version
}

/** Reads results that were written before; none when there is no such file. */
export function readResults(path: string): Results {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {}
    throw error
  }
}

/** The results as JSON, numbers cut to six digits and lists of numbers on one line. */
export function asJson(results: Results): string {
  const text = JSON.stringify(
    results,
    (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(6)) : value),
    1
  )
  return `${text.replaceAll(/\[\s+([-\d.,eE+\snull]+?)\s+\]/g, (_, numbers: string) => `[${numbers.replaceAll(/\s+/g, ' ')}]`)}\n`
}
