import { existsSync } from 'node:fs'
import { relative } from 'node:path'
import { ConfigError } from '../../config/environment.ts'
import { findPolicy } from '../../config/find-policy.ts'
import { loadSettings } from '../../config/load-settings.ts'
import { schemaLine } from '../../config/schema-line.ts'
import { defineConfig } from '../../policy-file.ts'
import { isImportable, readApp } from './app-outline.ts'
import { type Created, createFile } from './create-file.ts'
import { type ExistingProject, lookAtProject } from './existing-project.ts'
import { policyFile, proposalDiff } from './policy-text.ts'
import { composeFile, pythonTest, variablesExample } from './project-files.ts'
import { type PresentPolicy, type Proposal, proposeRules } from './proposed-rules.ts'
import { escapeUnseen, type PolicyLanguage } from './rule-spelling.ts'

/** What `gatehouse init` is told. */
export interface InitOptions {
  /** `MODULE:APP`, or the address or the file of an OpenAPI document. */
  readonly fromOpenapi?: string
  /** The policy is to be in TypeScript instead of TOML. */
  readonly typescript: boolean
  /** The version of the gateway, which is that of its image. */
  readonly version: string
}

type Environment = Record<string, string | undefined>

const composeName = 'compose.gatehouse.yaml'

/**
 * Writes what a project needs beside its app, each file only where nothing has its name, and says what comes next. With
 * `fromOpenapi` it proposes rules: in the policy that it writes, or as a diff against the one that there is. Throws a
 * ConfigError, with nothing written, where the app or the present policy cannot be read.
 */
export async function initProject(
  folder: string,
  env: Environment,
  options: InitOptions
): Promise<{ lines: string[]; exitCode: 0 | 1 }> {
  const { fromOpenapi, version } = options
  // It is about the folder, also where it runs in the image, which looks for a policy elsewhere and has production's rules.
  const { GATEHOUSE_POLICY_FOLDER: image = '', NODE_ENV: _, BETTER_AUTH_URL: __, ...own } = env
  const present = await presentPolicyFile(own, folder)
  const name =
    present === undefined ? (options.typescript ? 'gatehouse.config.ts' : 'gatehouse.toml') : relative(folder, present)
  const language: PolicyLanguage = name.endsWith('.toml') ? 'toml' : 'typescript'
  const proposal =
    fromOpenapi === undefined
      ? undefined
      : await readApp(fromOpenapi, folder, env).then(async (app) =>
          proposeRules(await presentPolicy(present, own, folder), app)
        )
  const importable = fromOpenapi !== undefined && isImportable(fromOpenapi) ? fromOpenapi : undefined
  const project = await lookAtProject(folder, importable)

  const test = project.hasTestsFolder ? 'tests/test_gatehouse.py' : 'test_gatehouse.py'
  const files: [name: string, text: string][] = [
    ['.env.example', variablesExample()],
    [composeName, composeFile(project, name, version)],
    [test, pythonTest(project.app)]
  ]
  const results: [name: string, created: Created][] = []
  if (present !== undefined) results.push([name, { outcome: 'exists' }])
  else
    results.push([
      name,
      await createFile(
        folder,
        name,
        policyFile(language, proposal?.rules, image === '' ? schemaLine(folder) : undefined)
      )
    ])
  for (const [file, text] of files) results.push([file, await createFile(folder, file, text)])

  const lines = [
    ...results.map(([file, created]) => resultLine(file, created)),
    ...(proposal === undefined ? [] : proposed(proposal, language, name, present !== undefined)),
    ...nextSteps(project, { policy: name, test, version, proposal })
  ]
  return { lines, exitCode: results.some(([, { outcome }]) => outcome === 'failed') ? 1 : 0 }
}

/** The path of the policy that the gateway would use in this folder; undefined where there is none. */
async function presentPolicyFile(env: Environment, folder: string): Promise<string | undefined> {
  const { path, named } = await findPolicy(env, folder)
  if (existsSync(path)) return path
  if (!named) return undefined
  throw new ConfigError([
    'GATEHOUSE_CONFIG: the policy file that it names does not exist: unset it, and init writes one'
  ])
}

async function presentPolicy(path: string | undefined, env: Environment, folder: string): Promise<PresentPolicy> {
  if (path !== undefined) return await loadSettings(env, folder)
  return { config: { pages: true, publicHealthPath: undefined }, policy: defineConfig({}) }
}

function resultLine(file: string, created: Created): string {
  if (created.outcome === 'failed') return `failed  ${file}: ${created.reason}`
  return created.outcome === 'wrote' ? `wrote   ${file}` : `exists  ${file}, which stays as it is`
}

function proposed(proposal: Proposal, language: PolicyLanguage, name: string, exists: boolean): string[] {
  const changes = proposal.rules.filter(({ mark }) => mark !== 'kept')
  const undecided = changes.filter(({ mark }) => mark === 'undecided').length
  const names = { before: exists ? name : 'nothing', after: exists ? `${name}, as proposed` : name }
  const put = exists && changes.length > 0 ? [`${name} stays as it is: put these lines into its routes.`] : []
  const decide =
    undecided === 0
      ? []
      : [
          `${undecided === 1 ? 'One line says' : `${undecided} lines say`} "decide": the app's document does not close what they are about. They are switched off,`,
          'so that it needs a session. Switch on what everybody may have, and delete the others.'
        ]
  return [
    '',
    ...(changes.length === 0
      ? ['There is nothing to propose: the rules name every operation.']
      : proposalDiff(proposal, language, names)),
    ...(put.length + decide.length === 0 ? [] : ['', ...put, ...decide]),
    ...(proposal.notes.length === 0 ? [] : ['', ...proposal.notes.map((note) => `! ${escapeUnseen(note, 'toml')}`)])
  ]
}

function nextSteps(
  { app, appFound, command, composeFile: beside, service, serviceFound, hasDockerfile, notIgnored }: ExistingProject,
  { policy, test, version, proposal }: { policy: string; test: string; version: string; proposal: Proposal | undefined }
): string[] {
  const also = (proposal?.also ?? []).map((path) => ` ${quoted(path)}`).join('')
  const files = beside === undefined ? `-f ${composeName}` : `-f ${beside} -f ${composeName}`
  const steps: [does: string, what: string][] = [
    [`${command} dev ${app}`, 'starts the app and the gateway in front of it, on http://localhost:8080'],
    [`${command} routes`, `says who may reach what, by ${policy}`],
    ...(proposal === undefined
      ? []
      : [
          [
            `${command} routes --openapi http://127.0.0.1:8000/openapi.json --strict${also === '' ? '' : ` --also${also}`}`,
            'fails as long as something is undecided; the app has to run'
          ] as [string, string]
        ]),
    [`python -m pytest ${test}`, 'needs no gateway, but pytest, httpx and fastapi-gatehouse'],
    [
      `docker compose ${files} up --build --wait`,
      `needs the image gatehouse:${version}, which is made in a checkout of Gatehouse`
    ]
  ]
  const hints = [
    ...(appFound ? [] : [`! ${app} is assumed to be the app: where it is another, change ${test}`]),
    ...(beside === undefined || serviceFound
      ? []
      : [`! ${beside} has no service that is known to be the app: change ${service} in ${composeName} to its name`]),
    ...(beside !== undefined || hasDockerfile
      ? []
      : [`! ${composeName} builds the app from a Dockerfile, and there is none`]),
    ...(notIgnored.length === 0
      ? []
      : [`! .gitignore should name ${notIgnored.join(' and ')}: secrets and users are kept there`])
  ]
  return [
    '',
    'Next:',
    ...steps.flatMap(([does, what]) => [`  ${does}`, `      ${what}`]),
    ...(hints.length === 0 ? [] : ['', ...hints])
  ]
}

/** The text as one word of a shell. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${escapeUnseen(text, 'toml').replaceAll("'", "'\\''")}'`
}
