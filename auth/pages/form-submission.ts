import type { FastifyReply, FastifyRequest } from 'fastify'
import { isRecord } from '../../db/type-guards.ts'
import type { CallAuth } from '../call-better-auth.ts'
import { clientAddress, clientAddressHeader } from '../client-address.ts'
import { cookiesFor } from '../fetch-bridge.ts'
import { isRefusal } from '../refusal-table.ts'
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

/** BetterAuth's answer to a form. */
export interface FormResult {
  /** Why the form was refused; undefined where it was accepted. */
  readonly error: FormError | undefined
  /** The JSON of the answer; empty where there is none. */
  readonly body: Readonly<Record<string, unknown>>
}

export type SubmitForm = ReturnType<typeof createSubmitForm>

/**
 * Makes the function that sends what a person entered to BetterAuth, as BetterAuth's own client would send it. The
 * cookies of the answer go into the reply. BetterAuth is below `basePath`. It rejects with a coded error only when the store cannot answer or BetterAuth
 * fails.
 */
export function createSubmitForm(callAuth: CallAuth, publicUrl: string, basePath: string) {
  return async function submitForm(
    request: FastifyRequest,
    reply: FastifyReply,
    path: string,
    fields: Readonly<Record<string, unknown>>
  ): Promise<FormResult> {
    const headers = authHeaders(request, publicUrl)
    const body = JSON.stringify(fields)
    const authRequest = new Request(`${publicUrl}${basePath}${path}`, { method: 'POST', headers, body })
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
  if (response.ok) return { error: undefined, body }
  return { error: formError(response.status, typeof body['code'] === 'string' ? body['code'] : undefined), body }
}
