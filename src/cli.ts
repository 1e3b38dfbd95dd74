#!/usr/bin/env node
import './module-hooks.js'
import { once } from 'node:events'
import { Command, CommanderError } from 'commander'
import { loadSettings } from './config/load-settings.ts'
import { describeDatabaseFailure, describeFailure, type Failure } from './failure-wording.ts'

const wrongUsage = 2

interface DevOptions {
  upstream?: string
  port?: string
  user?: string
  open: boolean
  remoteDatabase: boolean
}

const program = new Command('gatehouse')
  .description('A validation gateway for FastAPI, configured by the environment and a policy file.')
  .exitOverride()
  .showHelpAfterError('(gatehouse --help lists the commands)')

program
  .command('start')
  .description('start the gateway')
  .action(async () => {
    const { start } = await import('./main.ts')
    await start(process.env)
  })

program
  .command('dev')
  .description('start the app, an embedded Postgres and the gateway, for development on this machine')
  .argument('[MODULE:APP]', 'the ASGI app that uvicorn starts, such as main:app')
  .argument('[COMMAND...]', 'after --: what starts the app instead; it listens on PORT, or on {PORT} in its arguments')
  .option('--upstream <URL>', 'an app that runs already')
  .option('--port <N>', 'of the gateway; by default the first free one from 8080 on')
  .option('--user <EMAIL>', 'make this user, with a verified address, and print a link that signs them in')
  .option('--open', 'open the browser', false)
  .option('--remote-database', 'use a DATABASE_URL that is not on this machine; asks first', false)
  .action(async (_app: unknown, _command: unknown, options: DevOptions, command: Command) => {
    const { develop } = await import('./dev/develop.ts')
    const { splitOperands } = await import('./dev/dev-plan.ts')
    process.exit(await develop(process, { ...options, ...splitOperands(command.args, process.argv) }))
  })

// `dev` starts it, with a channel that it waits on; there are no settings by which it starts otherwise.
program.command('dev-gateway [hosts...]', { hidden: true }).action(async (confirmedHosts: string[]) => {
  const { runDevGateway } = await import('./dev/gateway-process.ts')
  const { createLogDestination } = await import('./logging/logger.ts')
  await runDevGateway(
    process,
    createLogDestination((write) => process.once('exit', write)),
    confirmedHosts
  )
})

program
  .command('migrate')
  .description('apply what the database lacks; safe to run again, and from several places at once')
  .option('--adopt', 'take over tables that BetterAuth made, adding only what is missing', false)
  .option('--beside', 'begin in DATABASE_SCHEMA although another gateway has its tables in this database', false)
  .action(async (options: { adopt: boolean; beside: boolean }) => {
    const settings = await loadSettings(process.env, process.cwd())
    const { databaseOptions } = await import('./database-start.ts')
    const { openDatabase } = await import('../db/open-database.ts')
    const { migrate } = await import('../db/migrate.ts')
    const { applied } = await databaseOptions(settings)
      .then(openDatabase)
      .then((database) => migrate(database, options).finally(() => database.close()))
      .catch((error: unknown) => fail(describeDatabaseFailure(error)))
    finish(applied.length === 0 ? ['up to date: nothing to apply'] : applied.map((name) => `applied ${name}`), 0)
  })

program
  .command('check')
  .description('try the configuration, the policy file, the database and the upstream')
  .action(async () => {
    const settings = await loadSettings(process.env, process.cwd())
    const { checkGateway } = await import('./cli/check-gateway.ts')
    const results = await checkGateway(settings)
    finish(
      results.map(({ verdict, subject, sentence }) => `${verdict.padEnd(4)}  ${subject}: ${sentence}`),
      results.some(({ verdict }) => verdict === 'FAIL') ? 1 : 0
    )
  })

program
  .command('routes')
  .description('print who may reach what')
  .option('--json', 'as JSON', false)
  .option('--openapi <URL|FILE>', "FastAPI's document: print who may reach each of its operations")
  .option('--strict', 'with --openapi: exit 1 when something is to be mended', false)
  .option('--also <PATH...>', 'with --openapi: paths that the document does not list, such as those of WebSockets')
  .action(async (options: { json: boolean; openapi?: string; strict: boolean; also?: string[] }) => {
    const settings = await loadSettings(process.env, process.cwd())
    if (options.openapi === undefined) {
      if (options.strict || options.also !== undefined)
        fail({ lines: ['--strict and --also go with --openapi'], exitCode: wrongUsage })
      const { routeLines, routeTable } = await import('./cli/routes-table.ts')
      const lines = routeLines(settings)
      finish(options.json ? [JSON.stringify(lines, null, 2)] : routeTable(lines), 0)
    }
    const { readOperations } = await import('./cli/openapi-document.ts')
    const { coverageOf, coverageTable } = await import('./cli/openapi-coverage.ts')
    const coverage = await coverageOf(settings, await readOperations(options.openapi), options.also)
    const lines = options.json ? [JSON.stringify(coverage, null, 2)] : coverageTable(coverage)
    finish(lines, options.strict && coverage.findings.length > 0 ? 1 : 0)
  })

program
  .command('explain')
  .description('say which rule decides a request, and what it comes to')
  .argument('<METHOD>', 'such as GET')
  .argument('<PATH>', 'as the browser sends it, such as /users/7?tab=posts')
  .option('--cookie-jar <FILE>', "curl's cookie jar: also say whose session it holds")
  .action(async (method: string, path: string, options: { cookieJar?: string }) => {
    const settings = await loadSettings(process.env, process.cwd())
    const { explain } = await import('./cli/explain.ts')
    const lines = await explain(method.toUpperCase(), path, settings, options.cookieJar)
    finish(lines, 0)
  })

program
  .command('init')
  .description(
    'write what a project needs: a policy, .env.example, compose.gatehouse.yaml and a test; overwrites nothing'
  )
  .option('--from-openapi <MODULE:APP|URL|FILE>', "propose rules from the app's own document, and print them as a diff")
  .option('--typescript', 'write gatehouse.config.ts instead of gatehouse.toml', false)
  .action(async (options: { fromOpenapi?: string; typescript: boolean }) => {
    const { initProject } = await import('./cli/init/init-project.ts')
    const { gatewayVersion } = await import('./cli/init/gateway-version.ts')
    const { lines, exitCode } = await initProject(process.cwd(), process.env, { ...options, version: gatewayVersion() })
    finish(lines, exitCode)
  })

program
  .command('users')
  .description("manage the gateway's users")
  .command('import')
  .description('add users of another system, with their passwords; safe to run again')
  .argument('<FILE>', 'JSON lines or CSV: email, id, name, password_hash, email_verified, created_at')
  .option('--format <FORMAT>', 'jsonl or csv; by default what the name of the file ends in')
  .option('--dry-run', 'write nothing, and say what would become of each line', false)
  .option('--trust-verified', 'believe the file where it says that an address was verified', false)
  .action(async (file: string, options: { format?: string; dryRun: boolean; trustVerified: boolean }) => {
    const settings = await loadSettings(process.env, process.cwd())
    const { importUsers } = await import('./cli/import-users.ts')
    try {
      const lines = importUsers(file, settings, options)
      for (;;) {
        const { value, done } = await lines.next()
        if (done === true) finish([], value)
        if (!process.stdout.write(`${value}\n`)) await once(process.stdout, 'drain')
      }
    } catch (error) {
      fail(describeDatabaseFailure(error))
    }
  })

try {
  await program.parseAsync(process.argv)
} catch (error) {
  // Commander has printed its own sentence; asking for help or the version is no mistake.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : wrongUsage)
  fail(describeFailure(error))
}

function fail({ lines, exitCode }: Failure): never {
  for (const line of lines) process.stderr.write(`${line}\n`)
  process.exit(exitCode)
}

// Exits at once, because a database driver may keep a socket open for a while after it was closed.
function finish(lines: readonly string[], exitCode: 0 | 1): never {
  for (const line of lines) process.stdout.write(`${line}\n`)
  process.exit(exitCode)
}
