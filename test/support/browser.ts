import { request } from 'undici'
import { sessionCookieOn } from './cookie-names.ts'

export interface Answer {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly text: string
  /** The body as JSON; throws when it is none. */
  json(): unknown
}

export interface AskOptions {
  method?: string
  headers?: Record<string, string>
  /** Sent as it is; an object goes as JSON. */
  body?: string | Buffer | object
}

let clients = 0

/** Somebody with a cookie jar and an address of their own, who asks one origin. */
export class Browser {
  readonly cookies: Map<string, string>
  readonly origin: string
  readonly address: string
  /** What the browser calls the site: its `Origin` and `Host`. */
  readonly publicUrl: string

  /** `cookies`: a jar to share with another, as the sites of one host do. */
  constructor(origin: string, publicUrl: string, cookies = new Map<string, string>()) {
    this.cookies = cookies
    this.origin = origin
    this.publicUrl = publicUrl
    clients++
    this.address = `10.${process.pid & 255}.${(clients >> 8) & 255}.${clients & 255}`
  }

  /** The full name of the session cookie here. */
  get sessionCookie(): string {
    return sessionCookieOn(this.publicUrl)
  }

  get cookieHeader(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  async ask(path: string, { method = 'GET', headers = {}, body }: AskOptions = {}): Promise<Answer> {
    const isJson = body !== undefined && typeof body === 'object' && !Buffer.isBuffer(body)
    const response = await request(this.origin + path, {
      method: method as 'GET', // undici's list of methods is not exported
      headers: {
        host: new URL(this.publicUrl).host,
        'x-forwarded-for': this.address,
        ...(method === 'GET' ? {} : { origin: this.publicUrl }),
        ...(this.cookies.size > 0 ? { cookie: this.cookieHeader } : {}),
        ...(isJson ? { 'content-type': 'application/json' } : {}),
        ...headers
      },
      body: isJson ? JSON.stringify(body) : (body ?? null)
    })
    const text = await response.body.text()
    this.#keep(response.headers['set-cookie'])
    return { status: response.statusCode, headers: response.headers, text, json: () => JSON.parse(text) }
  }

  post(path: string, body: object = {}): Promise<Answer> {
    return this.ask(path, { method: 'POST', body })
  }

  /** Makes an account and keeps its session. The same name gives the same email. */
  signUp(name: string, password = 'correct horse battery'): Promise<Answer> {
    return this.post('/api/auth/sign-up/email', { name, email: `${name}@example.com`, password })
  }

  signIn(name: string, password = 'correct horse battery', more: object = {}): Promise<Answer> {
    return this.post('/api/auth/sign-in/email', { email: `${name}@example.com`, password, ...more })
  }

  signOut(): Promise<Answer> {
    return this.post('/api/auth/sign-out')
  }

  #keep(setCookies: string | string[] | undefined): void {
    for (const line of [setCookies ?? []].flat()) {
      const [pair = '', ...attributes] = line.split(';')
      const equals = pair.indexOf('=')
      const name = pair.slice(0, equals)
      if (attributes.some((attribute) => /^\s*max-age=0$/i.test(attribute))) this.cookies.delete(name)
      else this.cookies.set(name, pair.slice(equals + 1))
    }
  }
}
