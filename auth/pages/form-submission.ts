import type { FastifyReply, FastifyRequest } from 'fastify'
import { isRecord } from '../../db/type-guards.ts'
import type { CallAuth } from '../call-better-auth.ts'
import { clientAddress, clientAddressHeader } from '../client-address.ts'
import { cookiesFor } from '../fetch-bridge.ts'
import { isRefusal } from '../refusals.ts'
import { type FormError, formError, tooManyAttempts } from './messages.ts'

/** The values of a form or of a query by their names. */
export type Values = Readonly<Record<string, string | undefined>>

/** The values of a parsed form (URLSearchParams) or query (an object). A name that came more than once has no value. */
export function valuesOf(source: unknown): Values {
  const values = new Map<string, string | undefined>()
  for (const [name, value] of source instanceof URLSearchParams ? source : Object.entries(source ?? {}))
    values.set(name, values.has(name) || typeof value !== 'string' ? undefined : value)
  return Object.fromEntries(values)
}

/** BetterAuth's answer to a form, or to a mailed link. */
export interface FormResult {
  /** Why the form was refused; undefined where it was accepted. */
  readonly error: FormError | undefined
  /** The JSON of the answer; empty where there is none. */
  readonly body: Readonly<Record<string, unknown>>
  /** Where it redirects to; undefined where it does not. */
  readonly location?: string | undefined
}

export type AskAuth = ReturnType<typeof createAskAuth>

/**
 * Makes the functions that send what a person entered, or a mailed link that a person has opened, to BetterAuth, as
 * BetterAuth's own client or a browser would send it. The cookies of the answer go into the reply. BetterAuth is below
 * `basePath`. They reject with a coded error only when the store cannot answer or BetterAuth fails.
 */
export function createAskAuth(callAuth: CallAuth, publicUrl: string, basePath: string) {
  async function ask(
    request: FastifyRequest,
    reply: FastifyReply,
    path: string,
    init: RequestInit
  ): Promise<FormResult> {
    const headers = authHeaders(request, publicUrl)
    const authRequest = new Request(`${publicUrl}${basePath}${path}`, { ...init, headers, redirect: 'manual' })
    try {
      const response = await callAuth(authRequest, request.id)
      for (const cookie of response.headers.getSetCookie()) reply.header('set-cookie', cookie)
      return await resultOf(response)
    } catch (error) {
      if (isRefusal(error, 'RATE_LIMITED')) return { error: tooManyAttempts(error.retryAfter ?? 1), body: {} }
      if (!isRefusal(error, 'REQUEST_INVALID')) throw error
      return { error: formError(400, error.field === 'email' ? 'INVALID_EMAIL' : undefined), body: {} }
    }
  }

  return {
    submitForm(
      request: FastifyRequest,
      reply: FastifyReply,
      path: string,
      fields: Readonly<Record<string, unknown>>
    ): Promise<FormResult> {
      return ask(request, reply, path, { method: 'POST', body: JSON.stringify(fields) })
    },

    /** `query` begins with `?` or is empty. */
    openLink(request: FastifyRequest, reply: FastifyReply, path: string, query: string): Promise<FormResult> {
      return ask(request, reply, path + query, { method: 'GET' })
    }
  }
}

function authHeaders(request: FastifyRequest, publicUrl: string): Headers {
  const headers = new Headers({
    'content-type': 'application/json',
    accept: 'application/json',
    // The pages' `onRequest` hook has refused forms from every other origin.
    origin: publicUrl,
    [clientAddressHeader]: clientAddress(request)
  })
  const { 'user-agent': userAgent = '', 'accept-language': language = '' } = request.headers
  const copied = { cookie: cookiesFor(request), 'user-agent': userAgent, 'accept-language': language }
  for (const [name, value] of Object.entries(copied)) if (value !== '') headers.set(name, value)
  return headers
}

async function resultOf(response: Response): Promise<FormResult> {
  const answer: unknown = await response.json().catch(() => null)
  const body = isRecord(answer) ? answer : {}
  const location = response.headers.get('location') ?? undefined
  if (response.ok || (response.status < 400 && location !== undefined)) return { error: undefined, body, location }
  // OAuth's errors are called `error`.
  const code = [body['code'], body['error']].find((name) => typeof name === 'string')
  return { error: formError(response.status, code), body }
}
