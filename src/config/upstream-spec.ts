import { accessSync, constants, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { codeOf } from '../../db/narrowing.ts'
import { upstream as address, certificateProblem, headerToken } from './value-types.ts'

/** A server behind the gateway beside FastAPI: its address alone, or with what else is to be said about it. */
export interface ServerSpec {
  /** `http://host:port`, `https://host:port` (verified) or `unix:/path`. */
  readonly url: string
  /** Seconds until its response headers; `UPSTREAM_TIMEOUT` unless it is given. */
  readonly timeout?: number
  /** A PEM file with certificates to trust beside the system's. Relative to the policy file. */
  readonly caFile?: string
  /** Sent to it as `X-Gatehouse-Token`. `UPSTREAM_TOKEN` goes to `UPSTREAM_URL` alone. */
  readonly token?: string
}

/** A folder of static files whose paths are those of the public origin. Relative to the policy file. */
export interface FolderSpec {
  readonly directory: string
}

/** What a rule can name as its upstream. */
export type UpstreamSpec = string | ServerSpec | FolderSpec

const server = z.strictObject({
  url: address,
  timeout: z.number('must be a number of seconds').min(0.001, 'is too short').max(86_400, 'is too long').optional(),
  caFile: z.string('must be a path').min(1, 'must be a path').optional(),
  token: headerToken.optional()
})
const folder = z.strictObject({ directory: z.string('must be a path').min(1, 'must be a path') })

/** What is wrong with the `upstreams` of a policy file in the folder `base`, a sentence each that repeats no value. */
export function upstreamProblems(upstreams: unknown, base: string): string[] {
  if (typeof upstreams !== 'object' || upstreams === null || Array.isArray(upstreams))
    return ['upstreams: must be an object of upstreams by their names']
  return Object.entries(upstreams).flatMap(([name, spec]) => {
    const place = placeOf(name)
    if (!/^[A-Za-z][\w-]*$/.test(name)) return [`${place}: must be named with letters, digits, "_" and "-"`]
    if (typeof spec === 'string') return shapeProblems(place, server.shape.url.safeParse(spec))
    if (typeof spec !== 'object' || spec === null || 'url' in spec === 'directory' in spec)
      return [`${place}: must be an address, or an object with either url or directory`]
    return 'url' in spec ? serverProblems(place, spec, base) : folderProblems(place, spec, base)
  })
}

function serverProblems(place: string, spec: object, base: string): string[] {
  const read = server.safeParse(spec)
  if (!read.success) return shapeProblems(place, read)
  const { url, caFile } = read.data
  if (caFile === undefined) return []
  if (!url.startsWith('https:')) return [`${place}.caFile: has no use unless url is https`]
  const problem = certificateProblem(resolve(base, caFile))
  return problem === null ? [] : [`${place}.caFile: ${problem}`]
}

function folderProblems(place: string, spec: object, base: string): string[] {
  const read = folder.safeParse(spec)
  if (!read.success) return shapeProblems(place, read)
  try {
    const path = resolve(base, read.data.directory)
    if (!statSync(path).isDirectory()) return [`${place}.directory: is no folder`]
    accessSync(path, constants.R_OK | constants.X_OK)
    return []
  } catch (error) {
    return [`${place}.directory: the folder cannot be read (${codeOf(error) ?? 'unknown error'})`]
  }
}

function shapeProblems(place: string, read: z.ZodSafeParseResult<unknown>): string[] {
  return (read.error?.issues ?? []).flatMap((issue) => {
    const at = [place, ...issue.path.map(String)].join('.')
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${at}.${key}: is not known in this version`)
    return [`${at}: ${issue.message}`]
  })
}

/** The same upstreams with absolute paths. They have no problems. */
export function absoluteUpstreams(
  upstreams: Readonly<Record<string, UpstreamSpec>>,
  base: string
): Readonly<Record<string, UpstreamSpec>> {
  return Object.fromEntries(
    Object.entries(upstreams).map(([name, spec]): [string, UpstreamSpec] => {
      if (typeof spec === 'string') return [name, spec]
      if ('directory' in spec) return [name, { directory: resolve(base, spec.directory) }]
      return [name, spec.caFile === undefined ? spec : { ...spec, caFile: resolve(base, spec.caFile) }]
    })
  )
}

/** What to call an upstream of the policy file where an operator reads of it. */
export function placeOf(name: string): string {
  return `upstreams.${name}`
}
