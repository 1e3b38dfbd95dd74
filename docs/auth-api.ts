import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { AuthContext } from 'better-auth'
import { getEndpoints } from 'better-auth/api'
import { z } from 'zod'
import { accountOf } from '../auth/secret-endpoints.ts'
import { isRecord } from '../db/type-guards.ts'
import { readConfig } from '../src/config/environment.ts'
import { startGateway } from '../src/gateway.ts'
import { createLogger } from '../src/logging/logger.ts'
import { defineConfig } from '../src/policy-file.ts'
import { type Example, examples } from './auth-api-examples.ts'

const run = promisify(execFile)
const page = fileURLToPath(new URL('auth-api.md', import.meta.url))
const shown = 'http://localhost:8080'
const basePath = '/api/auth'

interface Endpoint {
  /** Method and path. */
  readonly name: string
  readonly body: Field[]
  readonly query: Field[]
}

interface Field {
  readonly name: string
  readonly type: string
  readonly required: boolean
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly location: string
  readonly text: string
}

/** A running gateway to ask, and what it has told. */
interface Source {
  readonly endpoints: readonly Endpoint[]
  /** The tokens of mailed links, the last one last. */
  readonly mailed: readonly string[]
  /** BetterAuth's own limits that were asked for, by path. */
  readonly limits: ReadonlyMap<string, string>
  readonly publicUrl: string
  /** Calls curl, as on the page, as somebody with an address that nobody has had. */
  curl(command: string, jar?: string): Promise<Answer>
  close(): Promise<void>
}

/** `docs/auth-api.md` with what a gateway says of its endpoints, and answers to the calls of the page. */
export async function withEndpoints(text: string): Promise<string> {
  const source = await startSource()
  try {
    const calls = await callAll(source)
    const rows = source.endpoints.map(
      ({ name }) => `| [\`${spelled(name)}\`](#${anchorOf(name)}) | ${limitOf(source, name)} | ${guessesOf(name)} |`
    )
    const table = ['| endpoint | requests | wrong secrets |', '| --- | --- | --- |', ...rows].join('\n')
    const sections = source.endpoints.map((endpoint) => sectionOf(endpoint, calls.get(endpoint.name)))
    return text
      .replace(between('limits'), (_, start: string, end: string) => `${start}\n${table}\n${end}`)
      .replace(between('endpoints'), (_, start: string, end: string) => `${start}\n${sections.join('\n\n')}\n${end}`)
  } finally {
    await source.close()
  }
}

function between(name: string): RegExp {
  return new RegExp(`(<!-- ${name} -->)\\n[\\s\\S]*?(<!-- end of ${name} -->)`)
}

/** The endpoints that a gateway serves with nothing in its policy file but what sends mails, and their calls on the page. */
async function startSource(): Promise<Source> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-auth-api-'))
  let context: AuthContext | undefined
  const mailed: string[] = []
  const send = async ({ token }: { token: string }) => {
    mailed.push(token)
  }
  const policy = defineConfig({
    auth: {
      sendResetPassword: send,
      sendVerificationEmail: send,
      user: { changeEmail: { enabled: true } },
      socialProviders: { github: { clientId: 'the client id', clientSecret: 'a secret' } },
      plugins: [
        {
          id: 'reference',
          init(given) {
            context = given
          }
        }
      ]
    }
  })
  const env = { PORT: '0', ADMIN_PORT: '0', DATA_DIR: join(folder, 'data'), TRUSTED_PROXIES: 'loopback' }
  const log = createLogger('silent', { write: () => {} })
  const gateway = await startGateway({ config: readConfig(env, folder), policy, routes: [] }, log, (error) => {
    throw error
  })
  if (context === undefined) throw new Error('BetterAuth has not called the plugin')
  const { publicUrl } = gateway
  const limits = recordLimits(context)
  let clients = 0

  async function curl(command: string, jar = 'cookies.txt'): Promise<Answer> {
    clients++
    const own = command.replaceAll(shown, publicUrl).replaceAll('cookies.txt', jar)
    const said = `-H 'X-Forwarded-For: 10.1.${clients >> 8}.${clients & 255}' -w '\\n%{http_code}\\n%{content_type}\\n%{redirect_url}'`
    const { stdout } = await run('sh', ['-c', `${own.trim()} ${said}`], { cwd: folder })
    const lines = stdout.split('\n')
    const [status = '', type = '', location = ''] = lines.splice(-3)
    return { status: Number(status), type, location: location.replace(publicUrl, ''), text: lines.join('\n') }
  }
  await writeFile(join(folder, 'cookies.txt'), '')

  const endpoints: Endpoint[] = []
  for (const endpoint of endpointsOf(context)) {
    const [method = '', path = ''] = endpoint.name.split(' ')
    const asked = path.replaceAll(/:\w+/g, 'x')
    const probe = await fetch(`${publicUrl}${basePath}${asked}`, { method, redirect: 'manual' })
    // The router knows no such path: it is for calls from the server's own code.
    if (probe.status === 404 && (await probe.text()) === '') continue
    endpoints.push(endpoint)
  }
  return {
    endpoints,
    mailed,
    limits,
    publicUrl,
    async curl(command, jar) {
      if (jar !== undefined) await copyFile(join(folder, 'cookies.txt'), join(folder, jar))
      return curl(command, jar)
    },
    async close() {
      await gateway.close({ delayMs: 0, timeoutMs: 1_000 })
      await rm(folder, { recursive: true, force: true })
    }
  }
}

function endpointsOf(context: AuthContext): Endpoint[] {
  const { api } = getEndpoints(Promise.resolve(context), context.options)
  const found = Object.values(api).flatMap((endpoint) => {
    const { path, options } = endpoint
    if (path === undefined) return []
    const methods: string[] = [options.method].flat()
    return methods.map((method) => ({
      name: `${method} ${path}`,
      body: method === 'GET' ? [] : fieldsOf('body' in options ? options.body : undefined),
      query: fieldsOf('query' in options ? options.query : undefined)
    }))
  })
  return found.toSorted((one, other) => orderOf(one.name) - orderOf(other.name))
}

// On the page they stand in the order of the examples.
function orderOf(name: string): number {
  const at = examples.findIndex(({ endpoint }) => endpoint === name)
  return at === -1 ? examples.length : at
}

/** The limits that BetterAuth asks for from now on, by the paths that were asked for. */
function recordLimits({ options }: AuthContext): Map<string, string> {
  const limits = new Map<string, string>()
  const storage = options.rateLimit?.customStorage
  if (storage?.consume === undefined) throw new Error('BetterAuth counts elsewhere than the gateway does')
  const consume = storage.consume.bind(storage)
  storage.consume = async (key, rule) => {
    const path = key.slice(key.indexOf('/'))
    limits.set(path, `${rule.max} in ${rule.window} s`)
    return consume(key, rule)
  }
  return limits
}

interface Call {
  readonly example: Example
  readonly command: string
  readonly answer: Answer
  /** What else is answered, and when. */
  readonly others: readonly { readonly when: string; readonly answer: Answer }[]
}

/** Runs every example; of an endpoint that has several, the first is kept. */
async function callAll(source: Source): Promise<Map<string, Call>> {
  const calls = new Map<string, Call>()
  for (const example of examples) {
    const command = commandOf(example)
    const fill = async (text: string) =>
      example.token === undefined ? text : text.replaceAll('TOKEN', await tokenOf(source, example.token))
    const others: { when: string; answer: Answer }[] = []
    if (!calls.has(example.endpoint)) {
      const linked = example.token !== undefined && example.body === undefined
      if (linked)
        others.push({ when: 'the token is wrong, used or too old', answer: await source.curl(command, 'other.txt') })
      else if (example.signedIn)
        others.push({
          when: 'nobody is signed in',
          answer: await source.curl(command.replace(/ -b \S+/, ''), 'nobody.txt')
        })
      const endpoint = source.endpoints.find(({ name }) => name === example.endpoint)
      if (endpoint?.body.some(({ required }) => required)) {
        const empty = commandOf({ ...example, body: {} })
        others.push({ when: 'a field is missing', answer: await source.curl(empty, 'other.txt') })
      }
    }
    const tryOthers = async (bodies: Example['wrong'] = {}) => {
      for (const [when, body] of Object.entries(bodies))
        others.push({ when, answer: await source.curl(commandOf({ ...example, body }), 'other.txt') })
    }
    await tryOthers(example.wrong)
    const mails = source.mailed.length
    const answer = await source.curl(await fill(command))
    // A mail is sent after its answer.
    for (let tries = 0; example.mails === true && source.mailed.length === mails && tries < 100; tries++) await wait(50)
    await tryOthers(example.again)
    if (!calls.has(example.endpoint)) calls.set(example.endpoint, { example, command, answer, others })
  }
  return calls
}

async function tokenOf(source: Source, token: NonNullable<Example['token']>): Promise<string> {
  if (token === 'mailed') return source.mailed.at(-1) ?? ''
  const read = async (path: string) => (await source.curl(`curl -sS -b cookies.txt ${shown}${basePath}${path}`)).text
  const { session: own } = z
    .object({ session: z.object({ token: z.string() }) })
    .parse(JSON.parse(await read('/get-session')))
  const sessions = z.array(z.object({ token: z.string() })).parse(JSON.parse(await read('/list-sessions')))
  return sessions.find(({ token }) => token !== own.token)?.token ?? ''
}

/** The call as the page shows it. */
function commandOf({ endpoint, body, query = '', parameter = '', signedIn, signsIn }: Example): string {
  const [method = '', path = ''] = endpoint.split(' ')
  const address = `${shown}${basePath}${path.replace(/:\w+/, parameter)}${query}`
  const cookies = signedIn === true ? '-b cookies.txt -c cookies.txt' : signsIn === true ? '-c cookies.txt' : ''
  const sent =
    method === 'POST'
      ? `-H 'Origin: ${shown}' -H 'Content-Type: application/json' -d '${JSON.stringify(body ?? {})}'`
      : ''
  return ['curl -sS', cookies, sent, /[?&]/.test(address) ? `'${address}'` : address]
    .filter((part) => part !== '')
    .join(' ')
}

function sectionOf({ name, body, query }: Endpoint, call: Call | undefined): string {
  if (call === undefined) throw new Error(`docs/auth-api-examples.ts has no example of ${name}`)
  const { example, command, answer, others } = call
  const said = ({ status, text, location }: Answer) => `| ${status} | ${codeIn(text) ?? redirectTo(location) ?? ''} |`
  const rows = others
    .filter((other) => answer.status < 400 || said(other.answer) !== said(answer))
    .map((other) => `${said(other.answer)} ${other.when} |`)
  return [
    `### ${spelled(name)}`,
    example.text,
    ...(body.length > 0 ? [fieldTable('body', body)] : []),
    ...(query.length > 0 ? [fieldTable('query', query)] : []),
    `\`\`\`sh\n${command}\n\`\`\``,
    ...answerOf(answer),
    ...(rows.length > 0 ? [['| status | code | when |', '| --- | --- | --- |', ...rows].join('\n')] : [])
  ].join('\n\n')
}

function answerOf({ status, type, location, text }: Answer): string[] {
  if (location !== '') return [`${status}, ${redirectTo(location)}`]
  if (text === '') return [`${status}, without a body`]
  if (!type.startsWith('application/json')) return [`${status}, \`${type}\``]
  return [`${status}:`, `\`\`\`json\n${JSON.stringify(settled(JSON.parse(text)), null, 2)}\n\`\`\``]
}

function redirectTo(location: string): string | undefined {
  return location === '' ? undefined : `leads to \`${location.replace(/token=[^&]+/, 'token=TOKEN')}\``
}

function codeIn(text: string): string | undefined {
  if (!text.startsWith('{')) return text === 'null' ? '`null`' : undefined
  const body: unknown = JSON.parse(text)
  if (!isRecord(body)) return undefined
  return typeof body['code'] === 'string' ? `\`${body['code']}\`` : undefined
}

/** An answer with what differs from one call to the next replaced by words for it. */
function settled(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map((item) => settled(item))
  if (isRecord(value))
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, settled(inner, name)]))
  if (typeof value !== 'string') return value
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return '2026-11-26T20:00:00.000Z'
  if (key === 'ipAddress') return '203.0.113.7'
  if (key === 'userAgent') return 'curl/8.14.1'
  if (key === 'token') return '(the token)'
  if (/^(id|userId|accountId)$/.test(key)) return '(the id)'
  if (key === 'url' && value !== '')
    return value
      .replace(/state=[^&]+/, 'state=…')
      .replace(/code_challenge=[^&]+/, 'code_challenge=…')
      .replaceAll(/http%3A%2F%2Flocalhost%3A\d+/g, encodeURIComponent(shown))
  return value
}

function fieldTable(kind: string, fields: readonly Field[]): string {
  const rows = fields.map(({ name, type, required }) => `| \`${name}\` | ${type} | ${required ? 'yes' : ''} |`)
  return [`| ${kind} | type | required |`, '| --- | --- | --- |', ...rows].join('\n')
}

/** The fields that a schema of BetterAuth's reads; none where there is no schema. */
function fieldsOf(schema: unknown): Field[] {
  if (!(schema instanceof z.ZodType)) return []
  const fields = (json: unknown): Field[] => {
    if (!isRecord(json)) return []
    const all = Array.isArray(json['allOf']) ? json['allOf'].flatMap(fields) : []
    const either = Array.isArray(json['anyOf']) ? json['anyOf'].map(fields) : []
    // What only some of several forms of a body need is needed by none of them.
    const needed = (name: string) => either.every((some) => some.some((field) => field.name === name && field.required))
    const any = either.flat().map((field) => ({ ...field, required: needed(field.name) }))
    const parts = [...all, ...any].filter(({ name }, at, list) => list.findIndex((one) => one.name === name) === at)
    const required = Array.isArray(json['required']) ? json['required'] : []
    const own = isRecord(json['properties']) ? Object.entries(json['properties']) : []
    return [...own.map(([name, one]) => ({ name, type: typeOf(one), required: required.includes(name) })), ...parts]
  }
  return fields(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))
}

function typeOf(json: unknown): string {
  if (!isRecord(json)) return 'any'
  const options = [json['anyOf'], json['oneOf']].flatMap((some) => (Array.isArray(some) ? some : []))
  if (options.length > 0) return [...new Set(options.map(typeOf))].join(' or ')
  const { type } = json
  if (type === 'array') return `list of ${typeOf(json['items'])}`
  return Array.isArray(type) ? type.join(' or ') : typeof type === 'string' ? type : 'any'
}

function limitOf({ limits }: Source, name: string): string {
  const [, path = ''] = name.split(' ')
  const literal = path.split('/:')[0] ?? path
  const found = [...limits].find(([asked]) => asked === path || (literal !== path && asked.startsWith(`${literal}/`)))
  return found?.[1] ?? 'no limit of its own'
}

const guesses = {
  named: 'of the account that is named',
  session: 'of whoever is signed in',
  pending: 'of whoever is signing in',
  nobody: 'of the address, by path'
} as const

function guessesOf(name: string): string {
  const account = accountOf(name.split(' ')[1] ?? '')
  return account === undefined ? '' : guesses[account]
}

function spelled(name: string): string {
  const [method = '', path = ''] = name.split(' ')
  return `${method} ${basePath}${path}`
}

// As GitHub makes them.
function anchorOf(name: string): string {
  return spelled(name)
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(page, await withEndpoints(await readFile(page, 'utf8')))
  process.exit()
}
