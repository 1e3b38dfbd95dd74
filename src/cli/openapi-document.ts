import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { codeOf, isRecord } from '../../db/type-guards.ts'
import { ConfigError } from '../config/environment.ts'

/** One operation of an OpenAPI document. */
export interface Operation {
  /** In capitals. */
  readonly method: string
  /** The path template as a browser calls it: `/users/{id}`, behind the path of the document's server. */
  readonly path: string
  readonly operationId: string | undefined
  /** The document says that nobody may call it without credentials. */
  readonly secured: boolean
  /** The document says that the app asks the gateway who is there, and that it may be nobody; left out where it does not. */
  readonly optional?: true
}

const methods = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options', 'trace'] as const
const timeoutMs = 10_000

const servers = z
  .array(
    z.object({
      url: z.string(),
      variables: z.record(z.string(), z.object({ default: z.string() })).optional()
    })
  )
  .optional()
const security = z.array(z.record(z.string(), z.unknown())).optional()
const operation = z.object({ operationId: z.string().optional(), security, servers })
const optional = operation.optional()
const pathItem = z.object({
  servers,
  get: optional,
  head: optional,
  post: optional,
  put: optional,
  patch: optional,
  delete: optional,
  options: optional,
  trace: optional
})
const document = z.object({
  openapi: z.string().regex(/^3\./),
  servers,
  security,
  components: z.object({ securitySchemes: z.record(z.string(), z.unknown()).optional() }).optional(),
  paths: z.record(z.string().startsWith('/'), pathItem)
})

/**
 * Reads every operation of an OpenAPI 3 document, in its order, from an address or a file. Throws a ConfigError with one
 * sentence that does not repeat the address, which may hold a password.
 */
export async function readOperations(source: string): Promise<Operation[]> {
  const text = /^https?:\/\//i.test(source)
    ? await download(source)
    : await readFile(source, 'utf8').catch((error: unknown) => {
        throw unusable(`cannot be read (${codeOf(error) ?? 'unknown error'})`)
      })
  return operationsIn(text)
}

/** Every operation of an OpenAPI 3 document, in its order. Throws as `readOperations` does. */
export function operationsIn(text: string): Operation[] {
  const parsed = document.safeParse(parseJson(text))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const place = issue === undefined || issue.path.length === 0 ? 'the document' : issue.path.join('.')
    throw unusable(`is not an OpenAPI 3 document (${place} is not what it should be)`)
  }
  const { paths, servers: everywhere, security: globally, components } = parsed.data
  const schemes = Object.entries(components?.securitySchemes ?? {})
  const optional = new Set(schemes.filter(([, scheme]) => isForStrangersToo(scheme)).map(([name]) => name))
  return Object.entries(paths).flatMap(([path, { servers: here, ...item }]) =>
    methods.flatMap((method) => {
      const found = item[method]
      if (found === undefined) return []
      const declared = declaredBy(found.security ?? globally ?? [], optional)
      return prefixesOf(found.servers ?? here ?? everywhere).map((prefix) => ({
        method: method.toUpperCase(),
        path: prefix + path,
        operationId: found.operationId,
        ...declared
      }))
    })
  )
}

/**
 * What an operation's `security` declares. One empty requirement in the list makes credentials optional. FastAPI can write
 * none, and lists the schemes of all dependencies as alternatives although each of them is asked: so a scheme that
 * fastapi-gatehouse marks as one for strangers too says nothing where another one stands beside it.
 */
function declaredBy(
  requirements: readonly object[],
  optional: ReadonlySet<string>
): Pick<Operation, 'secured' | 'optional'> {
  const names = requirements.map((requirement) => Object.keys(requirement))
  const needed = names.filter((schemes) => schemes.length === 0 || !schemes.every((name) => optional.has(name)))
  if (needed.length > 0 && needed.every((schemes) => schemes.length > 0)) return { secured: true }
  return { secured: false, ...(names.flat().some((name) => optional.has(name)) && { optional: true }) }
}

function isForStrangersToo(scheme: unknown): boolean {
  return isRecord(scheme) && scheme['x-gatehouse-optional'] === true
}

/** The paths of the servers, each once: FastAPI's `root_path` is one. */
function prefixesOf(list: z.infer<typeof servers>): string[] {
  if (list === undefined || list.length === 0) return ['']
  return [
    ...new Set(
      list.map(({ url, variables = {} }) => {
        const filled = url.replaceAll(/\{([^{}]*)\}/g, (_, name: string) => variables[name]?.default ?? '')
        if (!URL.canParse(filled, 'http://server')) throw unusable('names a server whose address cannot be read')
        let path = decodeURI(new URL(filled, 'http://server').pathname)
        while (path.endsWith('/')) path = path.slice(0, -1)
        return path
      })
    )
  ]
}

async function download(address: string): Promise<string> {
  const answer = await fetch(address, {
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(timeoutMs)
  }).catch((error: unknown) => {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    throw unusable(`cannot be fetched (${codeOf(cause) ?? 'unknown error'}): does FastAPI run there?`)
  })
  if (!answer.ok) throw unusable(`was answered with status ${answer.status}: FastAPI's own address is needed here`)
  return await answer.text().catch(() => {
    throw unusable('was cut off')
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw unusable('is not JSON')
  }
}

function unusable(sentence: string): ConfigError {
  return new ConfigError([`--openapi: the document ${sentence}`])
}
