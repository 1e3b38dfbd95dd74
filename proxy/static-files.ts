import { readFile, realpath, stat } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { pipeline, Readable } from 'node:stream'
import { send } from '@fastify/send'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import type { Logger } from 'pino'
import { isRead, readMethods } from '../auth/http-methods.ts'
import type { EndReason, LiveCandidate, LiveConnection } from '../auth/live-connection-limits.ts'
import { Refusal } from '../auth/refusals.ts'
import { codeOf } from '../db/error-code.ts'
import { breakOff } from './close-connection.ts'
import type { PolicyRoute } from './compile-route-rules.ts'
import type { ForwardServices } from './http-forward.ts'
import { discardBody, ignoreContentType } from './request-body.ts'
import type { RequestContext } from './request-context.ts'
import { clientHead } from './response-headers.ts'
import type { RouteRule } from './route-rules.ts'
import type { FolderUpstream } from './upstream/upstream-kinds.ts'

export interface FileServices extends ForwardServices {
  readonly log: Pick<Logger, 'warn'>
}

type FileHandler = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

/** Mounts one policy rule on a folder, behind the same guard as every other route. Only GET and HEAD are served. */
export function mountFolder(
  scope: FastifyInstance,
  { url, methods, rule }: PolicyRoute,
  guard: onRequestHookHandler,
  serve: FileHandler
): void {
  scope.register(async function folderScope(child) {
    child.addHook('onRequest', guard)
    child.addHook('onRequest', ignoreContentType)
    child.addHook('onRequest', function refuseWriting({ context, method }, _reply, done) {
      if (!isRead(method)) done(new Refusal('METHOD_NOT_ALLOWED'))
      else done(context.isUpgrade ? new Refusal('UPGRADE_UNSUPPORTED') : undefined)
    })
    child.addHook('onSend', function nameReading(_request, reply, payload, done) {
      if (reply.statusCode === 405) reply.header('Allow', readMethods.join(', '))
      done(null, payload)
    })
    child.route({ method: [...methods], url, config: { rule }, handler: serve })
  })
}

/**
 * Sends the file whose path in the folder is the path that the policy judged, and no other: no hidden file, no link, and no
 * other spelling that the file system takes for the same path. A path that ends in "/" stands for the `index.html` below
 * it. `@fastify/send` serves ranges and conditional requests.
 */
export function createFileHandler({ directory }: FolderUpstream, services: FileServices): FileHandler {
  const { cors, limits, live, log, onOutcome } = services
  return async function serveFile(request, reply) {
    const [target = '/', ...query] = request.context.canonicalTarget.split('?')
    const path = decodeURIComponent(target)
    const root = await realpath(directory)
    const file = path.endsWith('/') ? `${path}index.html` : path
    const kind = await kindOf(root, file)
    if (kind === 'file') {
      const answer = await send(request.raw, encodeURIComponent(file), {
        root,
        index: false,
        dotfiles: 'deny',
        cacheControl: false
      })
      // The file was deleted after `kindOf` had found it.
      if (answer.statusCode === 404) throw new Refusal('NOT_FOUND')
      return respond(request.context, reply, answer)
    }
    if (kind === 'folder' && (await kindOf(root, `${file}/index.html`)) === 'file') {
      const location = [`${target}/`, ...query].join('?')
      const headers = { Location: location, 'Content-Length': '0' }
      return respond(request.context, reply, { statusCode: 301, headers, stream: Readable.from([]) })
    }
    const page = await notFoundPage(root, request.context.rule)
    if (page === null) throw new Refusal('NOT_FOUND')
    const headers = { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': String(page.length) }
    respond(request.context, reply, { statusCode: 404, headers, stream: Readable.from([page]) })
  }

  function respond(context: RequestContext, reply: FastifyReply, answer: Answer): void {
    const cacheControl = cachingOf(answer, context.identity !== null)
    const own = ['X-Content-Type-Options', 'nosniff', 'Cache-Control', cacheControl]
    reply.hijack()
    const described = Object.entries(answer.headers).flatMap(([name, value]) => [name, String(value)])
    reply.raw.writeHead(answer.statusCode, clientHead([...described, ...own], context, cors).headers)
    discardBody(context.raw, limits)
    const sending = new FileResponse(context, reply, services)
    live.watch(sending)
    pipeline(answer.stream, reply.raw, (err) => {
      sending.over()
      if (err) onOutcome(context.raw, 'client left', reply.raw.statusCode)
      if (err && err.code !== 'ERR_STREAM_PREMATURE_CLOSE')
        log.warn({ requestId: context.id, err }, 'a file could not be read')
    })
  }
}

/** A file that is being sent. After five seconds it is a live connection, which ends with its session. */
class FileResponse implements LiveCandidate, LiveConnection {
  readonly kind = 'response'
  readonly #context: RequestContext
  readonly #response: ServerResponse
  readonly #services: FileServices
  #untie: (() => void) | undefined

  constructor(context: RequestContext, reply: FastifyReply, services: FileServices) {
    this.#context = context
    this.#response = reply.raw
    this.#services = services
  }

  onLongRunning(): void {
    const { identity, holder, rule } = this.#context
    const { live, tie } = this.#services
    live.admit(this, holder)
    if (identity === null) return
    this.#untie = tie(identity, () => this.end('session ended'), { keepOpen: rule?.keepOpen === true })
  }

  end(reason: EndReason): void {
    this.#services.onOutcome(this.#context.raw, reason)
    const length = Number(this.#response.getHeader('content-length'))
    breakOff(this.#context.raw, this.#response, Number.isNaN(length) ? undefined : length)
  }

  over(): void {
    this.#services.live.unwatch(this)
    this.#services.live.delete(this)
    this.#untie?.()
  }
}

interface Answer {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string | number>>
  readonly stream: Readable
}

// A file that needs a session is revalidated for each request. A page that needs one is not stored at all, because the
// back button shows stored pages without a request: after signing out nobody finds the page there.
function cachingOf({ statusCode, headers }: Answer, personal: boolean): string {
  if (statusCode >= 400) return 'no-store'
  if (!personal) return 'no-cache'
  return /^text\/html\b/.test(String(headers['Content-Type'])) ? 'private, no-store' : 'private, no-cache'
}

const absent = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'])

async function kindOf(root: string, path: string): Promise<'file' | 'folder' | null> {
  if (path.includes('/.')) return null
  const full = join(root, path)
  try {
    // A link could lead to a file that another rule guards, and a file system that ignores case has many names for a file.
    if ((await realpath(full)) !== full) return null
    const found = await stat(full)
    return found.isFile() ? 'file' : found.isDirectory() ? 'folder' : null
  } catch (error) {
    if (absent.has(codeOf(error) ?? '')) return null
    throw error
  }
}

// Looked for only below the rule's own path: a page further up may be guarded by another rule.
async function notFoundPage(root: string, rule: RouteRule | undefined): Promise<Buffer | null> {
  if (rule === undefined || !rule.path.endsWith('/*') || rule.path.includes(':')) return null
  const path = `${rule.path.slice(0, -2)}/404.html`
  return (await kindOf(root, path)) === 'file' ? readFile(join(root, path)) : null
}
