import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { publicUrlOf } from '../config/environment.ts'
import type { Settings } from '../config/load-settings.ts'
import { reservedPaths } from '../config/load-settings.ts'
import { isFolder } from '../config/policy-upstreams.ts'
import { ownPathsOf } from '../policy-file.ts'
import { type Asked, askUpstream } from './ask-upstream.ts'
import { operationsIn } from './openapi-document.ts'
import { swallowedPaths } from './swallowed-paths.ts'

/** What was found out about an app behind the gateway. */
export interface AppFinding {
  readonly verdict: 'ok' | 'warn' | 'skip'
  readonly sentence: string
}

// FastAPI's default.
const documentPath = '/openapi.json'

/**
 * Reads the document of an app behind the gateway, and says which of its paths the gateway answers itself, and whether
 * its own redirects lead to the public origin. `expected`: an app without a document is worth a sentence.
 */
export async function checkApp(settings: Settings, server: Asked, expected: boolean): Promise<AppFinding[]> {
  const { config } = settings
  const publicUrl = publicUrlOf(config)
  const paths = await pathsOf(server, publicUrl)
  if (paths === undefined) {
    const sentence = `has no document at ${documentPath}, so whether the gateway answers paths of the app itself cannot be told`
    return expected ? [{ verdict: 'skip', sentence }] : []
  }
  return [...(await takenPaths(settings, paths)), ...(await checkRedirects(server, publicUrl))]
}

async function pathsOf(server: Asked, publicUrl: string): Promise<string[] | undefined> {
  try {
    const { status, body } = await askUpstream(server, documentPath, publicUrl)
    return status === 200 ? operationsIn(body).map(({ path }) => path) : undefined
  } catch {
    // It does not answer, or what it answers is no document of OpenAPI.
    return undefined
  }
}

async function takenPaths(settings: Settings, paths: readonly string[]): Promise<AppFinding[]> {
  const swallowed = await swallowedPaths(settings, paths)
  const whole = swallowed.filter(({ only }) => only === undefined)
  const findings: AppFinding[] = []
  if (whole.length > 0) {
    const list = whole.map(({ template, own }) => `${template} (under ${own})`).join(', ')
    const sentence = `its document has paths that the gateway answers itself, so that the app is never asked: ${list}. ${howToMove(settings)}`
    findings.push({ verdict: 'warn', sentence })
  }
  for (const { template, own, only = '' } of swallowed.filter(({ only }) => only !== undefined)) {
    const sentence = `its document has ${template}: of it the gateway answers what is under ${own}, such as ${only}, itself`
    findings.push({ verdict: 'warn', sentence })
  }
  if (findings.length === 0)
    findings.push({ verdict: 'ok', sentence: "its document has no path that is the gateway's own" })
  return findings
}

function howToMove({ config, policy }: Settings): string {
  const { betterAuth, pages } = ownPathsOf(policy)
  const move = `auth: { basePath } in the policy file moves ${betterAuth}`
  return config.pages ? `pages: { path } moves ${pages}, ${move}` : move
}

/** Which of the gateway's own paths a folder has files for, which are never sent. */
export function checkFolder({ config, policy }: Settings, directory: string): AppFinding[] {
  const hidden = reservedPaths(config, ownPathsOf(policy)).filter((path) => existsSync(join(directory, path)))
  return hidden.map((path) => ({
    verdict: 'warn',
    sentence: `has files at ${path}, which the gateway answers itself: they are never sent`
  }))
}

/** The servers and folders of the policy file by their names. */
export function namedServers({ policy }: Pick<Settings, 'policy'>): [place: string, server: Asked][] {
  return Object.entries(policy.upstreams).flatMap(([name, spec]): [string, Asked][] =>
    isFolder(spec) ? [] : [[`upstreams.${name}`, typeof spec === 'string' ? { url: spec } : spec]]
  )
}

const redirects = new Set([301, 302, 303, 307, 308])

// FastAPI redirects a path with one slash too many to the path without. The address that it names tells what it takes for
// the scheme and the host of the request.
async function checkRedirects(server: Asked, publicUrl: string): Promise<AppFinding[]> {
  const answer = await askUpstream(server, `${documentPath}/`, publicUrl).catch(() => undefined)
  const location = URL.parse(answer?.location ?? '')
  if (answer === undefined || !redirects.has(answer.status) || location === null) return []
  if (location.origin === publicUrl) return [{ verdict: 'ok', sentence: 'its redirects lead to the public origin' }]
  const sentence = `its redirects lead to ${location.protocol}//${location.host} instead of ${publicUrl}: its server does not believe the X-Forwarded headers of the gateway, the client's address included. docs/fastapi.md says what to set for each server`
  return [{ verdict: 'warn', sentence }]
}
