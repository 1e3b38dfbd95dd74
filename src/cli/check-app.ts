import { publicUrlOf } from '../config/environment.ts'
import type { Settings } from '../config/load-settings.ts'
import { isFolder } from '../config/policy-upstreams.ts'
import { type Asked, askUpstream } from './ask-upstream.ts'
import { checkRedirects } from './check-redirects.ts'
import { operationsIn } from './openapi-document.ts'
import { type AppFinding, checkPaths } from './swallowed-paths.ts'

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
  return [...(await checkPaths(settings, paths)), ...(await checkRedirects(server, `${documentPath}/`, publicUrl))]
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

/** The servers and folders of the policy file by their names. */
export function namedServers({ policy }: Pick<Settings, 'policy'>): [place: string, server: Asked][] {
  return Object.entries(policy.upstreams).flatMap(([name, spec]): [string, Asked][] =>
    isFolder(spec) ? [] : [[`upstreams.${name}`, typeof spec === 'string' ? { url: spec } : spec]]
  )
}
