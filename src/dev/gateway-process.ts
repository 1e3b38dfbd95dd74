import closeWithGrace from 'close-with-grace'
import type { FastifyRequest } from 'fastify'
import type { DestinationStream } from 'pino'
import type { Auth } from '../../auth/better-auth.ts'
import { pageAddresses } from '../../auth/pages/page-addresses.ts'
import { defaultRule } from '../../proxy/route-rules.ts'
import { ConfigError } from '../config/environment.ts'
import { findPolicy } from '../config/find-policy.ts'
import { loadSettings, type Settings } from '../config/load-settings.ts'
import { describeDatabaseFailure, describeFailure } from '../failure-wording.ts'
import type { Gateway } from '../gateway.ts'
import { createLogger } from '../logging/logger.ts'
import { ownPathsOf } from '../policy-file.ts'
import type { Exchange } from '../server/access-log.ts'
import { withDevMail } from './dev-mail.ts'
import { devEnvironment, readDevConfig } from './dev-plan.ts'
import { type FromGateway, mailsKept, readToGateway, type SeenMail } from './gateway-channel.ts'
import { noteImports } from './imported-files.ts'
import { createRefusalSentence } from './refusal-sentence.ts'
import { remoteDatabaseHosts, remoteDatabaseProblem } from './remote-database-hosts.ts'

/** What of the process the gateway of `gatehouse dev` needs. */
export type GatewayHost = Pick<NodeJS.Process, 'env' | 'cwd' | 'send' | 'connected' | 'on' | 'exit'>

const longestText = 4_000

const drainMs = 1_000
const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

/**
 * The gateway of `gatehouse dev`, in a process that the supervisor has started and that ends with it. It reads its
 * settings, says whether they can be used, and waits for its turn: the gateway before it has the port and the database.
 * `confirmedHosts`: those of a database on another machine that somebody has said is meant.
 */
export async function runDevGateway(
  host: GatewayHost,
  logDestination: DestinationStream,
  confirmedHosts: readonly string[]
): Promise<void> {
  if (host.send === undefined || !host.connected)
    throw new ConfigError(['dev-gateway: is a part of gatehouse dev, which starts it'])
  const tell = (message: FromGateway) => {
    if (host.connected) host.send?.(message, undefined, undefined, () => {})
  }
  const fail = (error: unknown) => {
    const { lines, exitCode } = describeFailure(error)
    tell({ kind: 'problems', lines: [...lines], exitCode, files: files() })
  }

  let gateway: Gateway | undefined
  let closing = false
  const close = () => {
    if (closing) return
    closing = true
    const end = () => host.exit(0)
    if (gateway === undefined) end()
    else gateway.close({ delayMs: 0, timeoutMs: drainMs }).then(end, end)
  }
  host.on('disconnect', close)
  for (const signal of signals) host.on(signal, close)

  const files = noteImports()
  const mails: SeenMail[] = []
  const deliver = (letter: Omit<SeenMail, 'at'>) => {
    const short = (text: string) => text.slice(0, longestText)
    const { to, subject, url, code } = letter
    const mail: SeenMail = {
      at: Date.now(),
      to: short(to),
      subject: short(subject),
      ...(url !== undefined && { url: short(url) }),
      ...(code !== undefined && { code: short(code) })
    }
    mails.push(mail)
    if (mails.length > mailsKept) mails.shift()
    tell({ kind: 'mail', mail })
  }

  let settings: Settings
  let unsent: readonly string[] = []
  try {
    // The supervisor has looked already. Whoever else starts this gets no further.
    readDevConfig(host.env, host.cwd())
    const loaded = await loadSettings(devEnvironment(host.env), host.cwd(), { mailsElsewhere: true })
    // A file may name another database than when the supervisor looked.
    const hosts = remoteDatabaseHosts(loaded.config, { PGHOST: host.env['PGHOST'] })
    const unconfirmed = hosts.filter((name) => !confirmedHosts.includes(name))
    if (unconfirmed.length > 0) throw new ConfigError([remoteDatabaseProblem(unconfirmed)])
    const mail = await withDevMail(loaded.policy, deliver)
    settings = { ...loaded, policy: { ...loaded.policy, auth: mail.auth }, deliver: mail.deliver }
    unsent = mail.unsent
  } catch (error) {
    fail(error)
    return
  }
  // Loaded while the gateway before this one is still there.
  const { startGateway } = await import('../gateway.ts')

  let auth: Pick<Auth, '$context'> | undefined
  host.on('message', (message: unknown) => {
    const said = readToGateway(message)
    if (said?.kind === 'go') {
      mails.push(...said.mails)
      void start()
    } else if (said?.kind === 'user') void makeUser(said)
  })
  tell({ kind: 'loaded', files: files(), unsent: [...unsent] })

  async function start(): Promise<void> {
    const whyRefused = createRefusalSentence(settings)
    const log = createLogger(settings.config.logLevel, logDestination)
    // Node would print the whole error, a query's parameters included.
    closeWithGrace(
      { delay: drainMs, logger: false, skip: [...signals, 'beforeExit'] },
      async function logCrash({ err }) {
        log.fatal({ err }, 'the gateway failed')
      }
    )
    try {
      gateway = await startGateway(settings, log, fail, undefined, {
        pages: { mails: () => mails },
        onAuth(started) {
          auth = started
        },
        onExchange(exchange, request) {
          void whyRefused(request, exchange.code)
            .catch(() => undefined)
            .then((why) => tell({ kind: 'exchange', exchange: seen(exchange, request, why) }))
        }
      })
    } catch (error) {
      fail(error)
      return
    }
    if (closing) return
    const { publicUrl, adminUrl, port } = gateway
    const mailPage = settings.config.pages ? publicUrl + addresses().developmentMail : undefined
    const { path } = await findPolicy(host.env, host.cwd())
    const policy = settings.missingPolicy === undefined ? path : undefined
    tell({ kind: 'ready', publicUrl, adminUrl, port, mailPage, policy })
  }

  async function makeUser({ email, takesExisting }: { email: string; takesExisting: boolean }): Promise<void> {
    if (auth === undefined || gateway === undefined) return
    try {
      const { createSignInToken } = await import('../../auth/development-sign-in.ts')
      const { idKind } = await import('../../auth/policy-auth-options.ts')
      const ids = idKind(settings.policy.auth)
      const token = await createSignInToken(await auth.$context, { email, ids, takesExisting })
      if (token === undefined)
        tell({
          kind: 'link',
          why: 'somebody has this address there, and on a remote database nobody is signed in for them'
        })
      else tell({ kind: 'link', url: `${gateway.publicUrl}${addresses().developmentSignIn}?token=${token}` })
    } catch (error) {
      tell({ kind: 'link', why: describeDatabaseFailure(error).lines.join(' ') })
    }
  }

  function addresses() {
    return pageAddresses(ownPathsOf(settings.policy).pages)
  }
}

function seen(exchange: Exchange, request: FastifyRequest | undefined, why: string | undefined) {
  const { rule, identity = null } = request?.context ?? {}
  return {
    ...exchange,
    method: exchange.method ?? '',
    ...(identity !== null && { userId: identity.userId, email: identity.email }),
    ...(rule !== undefined && { rule: rule === defaultRule ? 'none' : rule.path }),
    ...(why !== undefined && { why })
  }
}
