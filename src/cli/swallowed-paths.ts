import { reservedPaths } from '../config/load-settings.ts'
import { ownPathsOf } from '../policy-file.ts'
import { pathTemplate } from './path-template.ts'
import { createRouteMatcher, type Routing } from './route-decision.ts'

/** A path template of an app of which the gateway answers requests itself, so that they never reach the app. */
export interface SwallowedPath {
  readonly template: string
  /** The path of the gateway's own that they are under. */
  readonly own: string
  /** One of those requests, where the app gets the others: a parameter has to spell a path of the gateway's. */
  readonly only?: string
}

/** Which of an app's path templates the gateway answers itself, wholly or for some values of their parameters. */
export async function swallowedPaths(routing: Routing, templates: readonly string[]): Promise<SwallowedPath[]> {
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
