import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { codeOf } from '../../db/error-code.ts'
import { ConfigError } from '../config/environment.ts'
import { appStart } from './app-process.ts'
import type { ChildHost } from './child.ts'
import { confirmRemoteDatabase } from './confirm-remote-database.ts'
import { createJsonOutput, createTerminalOutput, type DevOutput } from './dev-output.ts'
import { type DevArguments, type DevPlan, planDevelopment } from './dev-plan.ts'
import { mailsKept, type SeenMail } from './gateway-channel.ts'
import { holdOtherLoopback } from './hold-other-loopback.ts'
import { keepApp } from './keep-app.ts'
import { keepGateway, type ReadyGateway } from './keep-gateway.ts'
import { openBrowser } from './open-browser.ts'
import { freePort, nextFreePort, portInUse } from './ports.ts'
import { coloured } from './terminal-text.ts'

/** What of its process `gatehouse dev` needs. */
export type DevHost = ChildHost &
  Pick<
    NodeJS.Process,
    | 'argv'
    | 'env'
    | 'cwd'
    | 'execPath'
    | 'execArgv'
    | 'platform'
    | 'ppid'
    | 'on'
    | 'exit'
    | 'stdin'
    | 'stdout'
    | 'stderr'
  >

const defaultPort = 8080
const portsTried = 20

/**
 * `gatehouse dev`: the app, the embedded Postgres and the gateway under one command, until a signal ends it. Resolves to
 * the exit status. Throws a ConfigError, before anything is started, for what has to be mended on the command line or in
 * the environment.
 */
export async function develop(host: DevHost, given: DevArguments): Promise<0 | 1 | 2> {
  if (host.platform === 'win32')
    throw new ConfigError(['dev: needs Linux or macOS; on Windows use the Windows Subsystem for Linux'])
  const { env, stdout } = host
  const cwd = host.cwd()
  const plan = planDevelopment(given, env, cwd)
  const terminal = stdout.isTTY === true
  if (plan.user !== undefined && !terminal)
    throw new ConfigError(['--user: prints its link on a terminal and nowhere else, and standard output is none'])
  if (plan.remoteHosts.length > 0) await confirmRemoteDatabase(plan.remoteHosts, host)

  const stop = awaitStop(host)
  const write = (text: string) => void stdout.write(text)
  const output = terminal ? createTerminalOutput(write, coloured(env)) : createJsonOutput(write)
  const port = await choosePort(plan, output)
  const token = env['UPSTREAM_TOKEN'] || randomBytes(24).toString('base64url')
  const appPort = await freePort()
  const { app, config, user } = plan
  const start = app.kind === 'running' ? undefined : await appStart(app, appPort, { env, cwd })
  if (config.database.driver === 'pglite') await makeDataDir(config.dataDir)

  // Of the two that `localhost` is.
  const listensOn = config.host === 'localhost' ? '127.0.0.1' : config.host
  const letGo = await holdOtherLoopback(listensOn, port)

  const mails: SeenMail[] = []
  const finished = Promise.withResolvers<0 | 1 | 2>()
  let ready: ReadyGateway | undefined
  let appAnswers = start === undefined
  let welcomed = false

  const gateway = keepGateway({
    host,
    cwd,
    output,
    mails,
    confirmedHosts: plan.remoteHosts,
    env: {
      HOST: listensOn,
      PORT: String(port),
      ADMIN_PORT: env['ADMIN_PORT'] || '0',
      ...(app.kind === 'running'
        ? { UPSTREAM_URL: app.url }
        : { UPSTREAM_URL: `http://127.0.0.1:${appPort}`, UPSTREAM_TOKEN: token, UPSTREAM_TOKEN_FILE: undefined })
    },
    onReady(now) {
      ready = now
      welcome()
    },
    onSaid(said) {
      if (said.kind === 'exchange') output.exchange(said.exchange)
      else if (said.kind === 'link') output.link(user ?? '', said)
      else {
        mails.push(said.mail)
        if (mails.length > mailsKept) mails.shift()
        output.mail(said.mail, ready?.mailPage)
      }
    },
    onGiveUp: finished.resolve
  })
  const kept =
    start === undefined
      ? undefined
      : keepApp({
          host,
          cwd,
          output,
          plan: app,
          start,
          port: appPort,
          token,
          onAnswer() {
            if (appAnswers) output.say('The app answers again.')
            appAnswers = true
            welcome()
          }
        })

  /** Once, as soon as both answer. */
  function welcome(): void {
    if (welcomed || !appAnswers || ready === undefined) return
    welcomed = true
    output.ready(ready, {
      app: app.kind === 'running' ? app.url : (start?.words ?? ''),
      data: config.database.driver === 'pglite' ? shown(config.dataDir, cwd) : 'DATABASE_URL',
      policy: ready.policy === undefined ? 'none: everything needs a session' : shown(ready.policy, cwd),
      mails: ready.unsent,
      mailPage: ready.mailPage
    })
    // On a remote database somebody who is there is a real person.
    if (user !== undefined) gateway.tell({ kind: 'user', email: user, takesExisting: plan.remoteHosts.length === 0 })
    if (plan.open) openBrowser(ready.publicUrl, host, output.warn)
  }

  try {
    return await Promise.race([finished.promise, stop])
  } finally {
    // The gateway first: it ends the open streams that the app would otherwise wait for.
    await gateway.stop()
    await kept?.stop()
    letGo?.()
  }
}

/** The port that was asked for, or the first free one from 8080 on. Throws a ConfigError where there is none. */
async function choosePort({ port }: DevPlan, output: DevOutput): Promise<number> {
  if (port === 0) return freePort()
  if (port !== undefined) {
    if (!(await portInUse(port))) return port
    throw new ConfigError([`PORT: ${port} is in use: stop what listens there, or give another with --port`])
  }
  const free = await nextFreePort(defaultPort, portsTried)
  if (free === undefined)
    throw new ConfigError([`PORT: ${defaultPort} and the ${portsTried - 1} after it are in use: give one with --port`])
  if (free !== defaultPort) output.say(`Port ${defaultPort} is in use: this is on ${free} instead.`)
  return free
}

/** The folder has a secret in it, which no repository should get. */
async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dirname(dataDir), { recursive: true })
    await mkdir(dataDir, { mode: 0o700 })
    await writeFile(join(dataDir, '.gitignore'), '*\n')
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    throw new ConfigError([`DATA_DIR: cannot be made (${codeOf(error) ?? 'unknown error'})`])
  }
}

/** Resolves when it is to end: at a signal, when its terminal or reader is gone, and under npm when npm is. */
function awaitStop(host: DevHost): Promise<0> {
  return new Promise((resolve) => {
    let asked = false
    const stop = () => resolve(0)
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      host.on(name, () => {
        // Whoever presses Ctrl-C again does not want to wait. What was started is killed as this process exits.
        if (asked) host.exit(130)
        asked = true
        stop()
      })
    for (const stream of [host.stdout, host.stderr]) stream.on('error', stop)
    if (host.env['npm_lifecycle_event'] === undefined) return
    // Between npm and this process there may be a shell that dies of a signal without passing it on.
    const parent = host.ppid
    setInterval(() => host.ppid !== parent && stop(), 500).unref()
  })
}

function shown(path: string, cwd: string): string {
  const within = relative(cwd, path)
  return within.startsWith('..') ? path : within
}
