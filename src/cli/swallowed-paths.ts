import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Settings } from '../config/load-settings.ts'
import { reservedPaths } from '../config/load-settings.ts'
import { ownPathsOf } from '../policy-file.ts'
import { pathTemplate } from './path-template.ts'
import { createRouteMatcher, type Routing } from './route-decision.ts'

/** What was found out about an app behind the gateway. */
export interface AppFinding {
  readonly verdict: 'ok' | 'warn' | 'skip'
  readonly sentence: string
}

/** A path template of an app of which the gateway answers requests itself, so that they never reach the app. */
interface SwallowedPath {
  readonly template: string
  /** The path of the gateway's own that they are under. */
  readonly own: string
  /** One of those requests, where the app gets the others: a parameter has to spell a path of the gateway's. */
  readonly only?: string
}

/** Which of an app's path templates the gateway answers itself, wholly or for some values of their parameters. */
async function swallowedPaths(routing: Routing, templates: readonly string[]): Promise<SwallowedPath[]> {
  const decide = createRouteMatcher(routing)
  const reserved = reservedPaths(routing.config, ownPathsOf(routing.policy))
  const ownOf = async (path: string) => {
    const decision = await decide('GET', path.split('/').map(encodeURIComponent).join('/'))
    return decision.kind === 'own' ? decision.path : undefined
  }
  const swallowed: SwallowedPath[] = []
  for (const template of new Set(templates)) {
    const { instances } = pathTemplate(template)
    const [general = template] = instances([])
    const own = await ownOf(general)
    if (own !== undefined) {
      swallowed.push({ template, own })
      continue
    }
    for (const only of [...instances(reserved), ...instances(reserved, true)]) {
      const found = await ownOf(only)
      if (found === undefined) continue
      swallowed.push({ template, own: found, only })
      break
    }
  }
  return swallowed
}

/** Says which of an app's paths the gateway answers itself, and how to move the gateway's own. */
export async function checkPaths(settings: Settings, paths: readonly string[]): Promise<AppFinding[]> {
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
