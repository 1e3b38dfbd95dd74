import type { FastifyReply, FastifyRequest } from 'fastify'
import { isRecord } from '../../db/narrowing.ts'
import type { CallAuth } from '../auth-handler.ts'
import { clientAddress, clientAddressHeader } from '../client-address.ts'
import { cookiesFor } from '../fetch-bridge.ts'
import { isRefusal } from '../refusals.ts'
import { type Complaint, complaintAbout, complaintAboutLimit } from './messages.ts'

/** What BetterAuth said to a form: done, or what is wrong with it. */
export type Outcome =
  | { readonly ok: true; readonly body: Readonly<Record<string, unknown>> }
  | {
      readonly ok: false
      readonly status: number
      readonly complaint: Complaint
      /** Seconds until the next attempt, where there were too many. */
      readonly retryAfter?: number
    }

/** Passes on what a person entered as BetterAuth's own client would have sent it. The cookies that it sets go into the reply. */
export type PutQuestion = (
  request: FastifyRequest,
  reply: FastifyReply,
  path: string,
  body: Readonly<Record<string, unknown>>
) => Promise<Outcome>

/** Rejects with a coded error only when the store cannot answer or BetterAuth fails. */
export function createPutQuestion(callAuth: CallAuth, publicUrl: string): PutQuestion {
  return async function putQuestion(request, reply, path, body) {
    const question = new Request(`${publicUrl}/api/auth${path}`, {
      method: 'POST',
      headers: questionHeaders(request, publicUrl),
      body: JSON.stringify(body)
    })
    try {
      const response = await callAuth(question, request.id)
      for (const cookie of response.headers.getSetCookie()) reply.header('set-cookie', cookie)
      return await outcomeOf(response)
    } catch (error) {
      if (isRefusal(error, 'REQUEST_INVALID')) {
        const code = error.field === 'email' ? 'INVALID_EMAIL' : undefined
        return { ok: false, status: 400, complaint: complaintAbout(code) }
      }
      if (!isRefusal(error, 'RATE_LIMITED')) throw error
      const { retryAfter = 1 } = error
      return { ok: false, status: 429, complaint: complaintAboutLimit(retryAfter), retryAfter }
    }
  }
}

// The form's own origin was checked before: it is this one.
function questionHeaders(request: FastifyRequest, publicUrl: string): Headers {
  const headers = new Headers({
    'content-type': 'application/json',
    accept: 'application/json',
    origin: publicUrl,
    [clientAddressHeader]: clientAddress(request)
  })
  const cookies = cookiesFor(request)
  if (cookies !== '') headers.set('cookie', cookies)
  for (const name of ['user-agent', 'accept-language'] as const) {
    const value = request.headers[name]
    if (value !== undefined) headers.set(name, value)
  }
  return headers
}

async function outcomeOf(response: Response): Promise<Outcome> {
  const body: unknown = await response.json().catch(() => null)
  const said = isRecord(body) ? body : {}
  if (response.ok) return { ok: true, body: said }
  const code = typeof said['code'] === 'string' ? said['code'] : undefined
  return { ok: false, status: response.status, complaint: complaintAbout(code) }
}
