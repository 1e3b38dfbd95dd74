import type { FastifyInstance } from 'fastify'
import { valuesOf } from './form-submission.ts'
import { cardPage, leave } from './onward.ts'
import type { PageAddresses } from './page-addresses.ts'
import { identify, type PageContext, pageRoute, redirect, sendPage } from './page-helpers.ts'
import { hidden, html, type Page } from './page-markup.ts'
import { returnAddress } from './return-address.ts'

/** The page and the form that sign people out. */
export function signOutRoutes(app: FastifyInstance, context: PageContext): void {
  const { addresses, publicUrl, submitForm } = context

  app.get(addresses.signOut, pageRoute, async function showSignOut(request, reply) {
    const identity = await identify(context, request, reply)
    if (identity === null) return redirect(reply, addresses.signIn)
    const { next } = valuesOf(request.query)
    return sendPage(reply, context, signOutPage(addresses, identity.email, returnAddress(next, publicUrl, addresses)))
  })

  app.post(addresses.signOut, async function signOut(request, reply) {
    await submitForm(request, reply, '/sign-out', {})
    // The browser drops the private pages that it has kept, so that its back button shows none of them.
    reply.header('clear-site-data', '"cache"')
    const to = returnAddress(valuesOf(request.body)['next'], publicUrl, addresses)
    return leave(reply, context, { to, title: 'You are signed out', otherwise: addresses.signInWith('signed-out') })
  })
}

/** It asks first: a link to this page, on whatever site, must not be able to sign anybody out. */
function signOutPage(addresses: PageAddresses, email: string, next: string | undefined): Page {
  const card = html`<p>You are signed in as <strong>${email}</strong>.</p>
<form method="post" action="${addresses.signOut}">${hidden('next', next)}<button type="submit">Sign out</button></form>`
  const aside = html`<a href="${addresses.account}">Back to your account</a>`
  return { ...cardPage('Sign out?', card, aside), title: 'Sign out' }
}
