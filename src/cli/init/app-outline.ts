import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { platform } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import { ConfigError } from '../../config/environment.ts'
import { type Operation, operationsIn, readOperations, UnusableDocument } from '../openapi-document.ts'

/** An operation of an app, as rules are proposed for it. */
export interface AppOperation extends Operation {
  /** It is one of an app that is mounted in this one, so that the document of this one does not list it. */
  readonly mounted?: true
}

/** What answers below a path that no document lists: a WebSocket, a hidden route, a mounted app without a document. */
export interface UnlistedPath {
  /** A template, such as `/static/{rest:path}`. */
  readonly path: string
  readonly what: string
}

/** What an app answers, as far as it can be told. */
export interface AppOutline {
  readonly operations: readonly AppOperation[]
  readonly unlisted: readonly UnlistedPath[]
}

const option = '--from-openapi'
const timeoutMs = 60_000

// What the app prints while it is imported is no part of the answer, so it goes where errors go.
const program = `
import importlib, json, os, re, sys
out = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
sys.path.insert(0, os.getcwd())
module, _, names = sys.argv[1].partition(":")
app = importlib.import_module(module)
for name in names.split("."):
    app = getattr(app, name)
if not hasattr(app, "routes") and callable(app):
    app = app()
if not callable(getattr(app, "openapi", None)):
    sys.exit(f"{sys.argv[1]} is no FastAPI app: it has no document")
from starlette.routing import Mount, Route, WebSocketRoute

def plain(path):
    return re.sub(r"\\{([^{}:]*):(?!path\\})[^{}]*\\}", r"{\\1}", path)

def effective(routes):
    # Recent versions keep an included router as one route, and say by this what it comes to.
    try:
        from fastapi.routing import iter_route_contexts
    except ImportError:
        return [(route, route) for route in routes]
    return [(context.original_route, context) for context in iter_route_contexts(routes)]

def outline(app, prefix):
    found = {"document": None, "prefix": prefix, "before": 0, "unlisted": [], "mounted": []}
    several = {}
    below = prefix + (getattr(app, "root_path", "") or "").rstrip("/")
    def unlisted(path, what):
        found["unlisted"].append({"path": below + plain(path), "what": what})
    def walk(routes, at):
        for route, seen in effective(routes):
            path = at + (getattr(seen, "path", None) or "")
            if isinstance(route, Mount):
                inner = getattr(route, "_base_app", route.app)
                if callable(getattr(inner, "openapi", None)):
                    found["mounted"].append({**outline(inner, below + path), "before": len(several)})
                elif route.routes:
                    walk(route.routes, path)
                else:
                    unlisted(path + "/{rest:path}", "mounted app")
            elif isinstance(route, WebSocketRoute):
                unlisted(path, "WebSocket")
            elif isinstance(route, Route):
                if at == "" and seen.include_in_schema and hasattr(route, "response_model"):
                    several.setdefault(seen.path_format, plain(seen.path))
                else:
                    unlisted(path, "route")
    walk(getattr(app, "routes", []), "")
    if callable(getattr(app, "openapi", None)):
        document = dict(app.openapi())
        document["paths"] = {several.get(path, path): item for path, item in document.get("paths", {}).items()}
        found["document"] = document
    return found

json.dump(outline(app, ""), out)
out.close()
`

interface Printed {
  document: unknown
  prefix: string
  /** How many paths of the document of the app that it is mounted in come before it. */
  before: number
  unlisted: UnlistedPath[]
  mounted: Printed[]
}

const printed: z.ZodType<Printed> = z.lazy(() =>
  z.object({
    document: z.unknown(),
    prefix: z.string(),
    before: z.int(),
    unlisted: z.array(z.object({ path: z.string(), what: z.string() })),
    mounted: z.array(printed)
  })
)

/**
 * Reads what an app answers from `MODULE:APP`, which is imported in `cwd` by the Python of the virtual environment, or from
 * the address or the file of its document. Throws a ConfigError with one sentence; what Python says goes to standard error.
 */
export async function readApp(
  source: string,
  cwd: string,
  env: Record<string, string | undefined>
): Promise<AppOutline> {
  if (!isImportable(source)) return { operations: await readOperations(source, option), unlisted: [] }
  const answer = await importApp(source, cwd, env)
  try {
    return outlineOf(printed.parse(JSON.parse(answer)))
  } catch (error) {
    if (!(error instanceof UnusableDocument)) throw error
    throw new ConfigError([`${option}: the app's document ${error.message}`])
  }
}

/** Whether the text is `MODULE:APP`, and not an address or a file. */
export function isImportable(source: string): boolean {
  return /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/.test(source)
}

// In the order in which Starlette tries them, because the first one that fits takes a request.
function outlineOf({ document, prefix, unlisted, mounted }: Printed, within = false): AppOutline {
  const own = operationsIn(JSON.stringify(document)).map(
    (operation): AppOperation => ({
      ...operation,
      path: prefix + operation.path,
      ...(within ? { mounted: true as const } : {})
    })
  )
  const inner = mounted.map((app) => ({ before: app.before, ...outlineOf(app, true) }))
  const paths = [...new Set(own.map(({ path }) => path))]
  const operations = [...paths, undefined].flatMap((path, index) => [
    ...inner.filter(({ before }) => before === index).flatMap((app) => app.operations),
    ...own.filter((operation) => operation.path === path)
  ])
  return { operations, unlisted: [...unlisted, ...inner.flatMap((app) => app.unlisted)] }
}

async function importApp(source: string, cwd: string, env: Record<string, string | undefined>): Promise<string> {
  for (const python of pythonsOf(cwd, env)) {
    const child = spawn(python, ['-c', program, source], {
      cwd,
      env: { ...env, PYTHONDONTWRITEBYTECODE: '1' },
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: timeoutMs
    })
    const ended = new Promise<number | 'missing' | null>((resolve) => {
      child.once('error', () => resolve('missing'))
      child.once('close', (status) => resolve(status))
    })
    const [answer, status] = await Promise.all([text(child.stdout), ended])
    if (status === 'missing') continue
    if (status === 0) return answer
    const cause = status === null ? `was not imported within ${timeoutMs / 1000} s` : 'cannot be imported'
    throw new ConfigError([`${option}: ${source} ${cause}; ${python} has said why, if it knows`])
  }
  throw new ConfigError([`${option}: there is no Python: activate the virtual environment that the app runs in`])
}

/** The Python of the active virtual environment, of the one in the folder, or else of the machine: as `gatehouse dev` has it. */
function pythonsOf(cwd: string, env: Record<string, string | undefined>): string[] {
  const inside = platform() === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']
  const active = env['VIRTUAL_ENV'] ?? ''
  const homes = [...(active === '' ? [] : [active]), join(cwd, '.venv'), join(cwd, 'venv')]
  const found = homes.map((home) => join(home, ...inside)).find((python) => existsSync(python))
  return found === undefined ? ['python3', 'python'] : [found]
}
