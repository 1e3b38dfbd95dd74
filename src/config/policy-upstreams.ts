import { accessSync, constants, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { codeOf } from '../../db/error-code.ts'
import { isRecord } from '../../db/type-guards.ts'
import { upstream as address, certificateProblem, headerToken, refuse } from './variables.ts'

/** A server behind the gateway beside FastAPI. */
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

export function isFolder(spec: UpstreamSpec): spec is FolderSpec {
  return typeof spec === 'object' && 'directory' in spec
}

/** The shape of the `upstreams` of a policy file in `folder`, which makes their paths absolute. No problem repeats a value. */
export function upstreamsShape(folder: string) {
  const path = z
    .string('must be a path')
    .min(1, 'must be a path')
    .transform((text) => resolve(folder, text))
  const seconds = z.number('must be a number of seconds').min(0.001, 'is too short').max(86_400, 'is too long')
  const server = z
    .strictObject({
      url: address,
      timeout: seconds.exactOptional(),
      caFile: path.exactOptional(),
      token: headerToken.exactOptional()
    })
    .superRefine(({ url, caFile }, context) => {
      if (caFile === undefined) return
      const problem = url.startsWith('https:') ? certificateProblem(caFile) : 'has no use unless url is https'
      if (problem !== null) context.addIssue({ code: 'custom', path: ['caFile'], message: problem })
    })
  const files = z.strictObject({ directory: path.transform(readableFolder) })
  const spec = z.unknown().transform((value, context): UpstreamSpec => {
    const either = isRecord(value) && 'url' in value !== 'directory' in value
    if (typeof value !== 'string' && !either)
      return refuse(context, 'must be an address, or an object with either url or directory')
    const { data, error } = (typeof value === 'string' ? address : 'url' in value ? server : files).safeParse(value)
    for (const issue of error?.issues ?? []) context.issues.push({ ...issue, input: undefined })
    return data ?? z.NEVER
  })
  return z.record(z.string().regex(/^[A-Za-z][\w-]*$/), spec, {
    error: ({ code }) =>
      code === 'invalid_key'
        ? 'must be named with letters, digits, "_" and "-"'
        : 'must be an object of upstreams by their names'
  })
}

function readableFolder(path: string, context: z.core.$RefinementCtx): string {
  try {
    if (!statSync(path).isDirectory()) return refuse(context, 'is no folder')
    accessSync(path, constants.R_OK | constants.X_OK)
    return path
  } catch (error) {
    return refuse(context, `the folder cannot be read (${codeOf(error) ?? 'unknown error'})`)
  }
}
