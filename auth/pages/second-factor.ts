import type { FastifyInstance, FastifyReply } from 'fastify'
import { valuesOf } from './form-submission.ts'
import { type FormError, noticeText } from './messages.ts'
import type { Features } from './offered-features.ts'
import {
  addressAfter,
  cardPage,
  hiddenOnward,
  leave,
  type Onward,
  oauthFields,
  onwardOf,
  withOnward
} from './onward.ts'
import type { PageAddresses } from './page-addresses.ts'
import { type PageContext, pageRoute, redirect, sendPage } from './page-helpers.ts'
import { alertBox, field, hidden, html, inputs, type Page, statusBox } from './page-markup.ts'

/** The page for the second factor of those who have entered their password. Only with BetterAuth's two-factor plugin. */
export function secondFactorRoutes(app: FastifyInstance, context: PageContext): void {
  const { features, addresses, publicUrl, submitForm } = context
  if (features.secondFactor === undefined) return

  function show(reply: FastifyReply, view: Omit<SecondFactorView, 'features' | 'addresses'>): FastifyReply {
    return sendPage(reply, context, secondFactorPage({ features, addresses, ...view }), view.error)
  }

  app.get(addresses.secondFactor, pageRoute, async function showSecondFactor(request, reply) {
    const { notice } = valuesOf(request.query)
    return show(reply, { onward: onwardOf(request, publicUrl, addresses), notice })
  })

  app.post(addresses.secondFactor, async function verifySecondFactor(request, reply) {
    const form = valuesOf(request.body)
    const onward = onwardOf(request, publicUrl, addresses)
    const code = form['code']?.replaceAll(' ', '') ?? ''
    const mailed = form['mailed'] !== undefined
    // Backup codes are longer, and have letters in them.
    const isBackupCode = !/^\d{4,8}$/.test(code)
    const path = `/two-factor/${isBackupCode ? 'verify-backup-code' : mailed ? 'verify-otp' : 'verify-totp'}`
    const trustDevice = form['trustDevice'] !== undefined
    const { error, body } = await submitForm(request, reply, path, { code, trustDevice, ...oauthFields(onward) })
    if (error !== undefined) return show(reply, { onward, error, notice: mailed ? 'code-sent' : undefined })
    return leave(reply, context, { to: addressAfter(body, onward), title: 'You are signed in' })
  })

  if (features.secondFactor.mailed) {
    app.post(`${addresses.secondFactor}/mail`, async function mailCode(request, reply) {
      const onward = onwardOf(request, publicUrl, addresses)
      const { error } = await submitForm(request, reply, '/two-factor/send-otp', {})
      if (error !== undefined) return show(reply, { onward, error })
      return redirect(reply, withOnward(`${addresses.secondFactor}?notice=code-sent`, onward))
    })
  }
}

interface SecondFactorView {
  readonly features: Features
  readonly addresses: PageAddresses
  readonly onward: Onward
  /** The name of a notice; `code-sent`: the code that is asked for was mailed. */
  readonly notice?: string | undefined
  readonly error?: FormError | undefined
}

/** After the password. */
function secondFactorPage({ features, addresses, onward, notice, error }: SecondFactorView): Page {
  const mailed = notice === 'code-sent'
  const hint = mailed ? 'From the mail, or one of your backup codes.' : 'From your app, or one of your backup codes.'
  const card = html`${statusBox(noticeText(notice))}${alertBox(error, 'code')}
<form method="post" action="${addresses.secondFactor}">
${hiddenOnward(onward)}
${mailed && hidden('mailed', 'on')}
${field({ ...inputs.code, hint, error, focus: error === undefined })}
<label class="check"><input type="checkbox" name="trustDevice"> Do not ask again on this device</label>
<button type="submit">Go on</button>
</form>
${
  features.secondFactor?.mailed === true &&
  html`<form method="post" action="${addresses.secondFactor}/mail">${hiddenOnward(onward)}
<button class="quiet">Send me a code by mail</button></form>`
}`
  return cardPage('Second step', card, html`<a href="${withOnward(addresses.signIn, onward)}">Start again</a>`)
}
