import { existsSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What a folder has already, as far as what is made beside it depends on that. */
export interface ExistingProject {
  /** Where the app is, as `MODULE:APP`. */
  readonly app: string
  /** Whether that was found, and not only assumed. */
  readonly appFound: boolean
  /** The name of its compose file. */
  readonly composeFile?: string
  /** The service of that file that is taken for the app. */
  readonly service: string
  /** Whether that was found, and not only assumed. */
  readonly serviceFound: boolean
  readonly hasDockerfile: boolean
  readonly hasTestsFolder: boolean
  /** The command, as it is typed in this folder. */
  readonly command: string
  /** Of what should be in no repository, what `.gitignore` does not name. */
  readonly notIgnored: readonly string[]
}

const composeFiles = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml']
const usualApps = [
  ['main.py', 'main:app'],
  ['app/main.py', 'app.main:app'],
  ['app.py', 'app:app']
] as const
const usualServices = ['app', 'api', 'web', 'backend', 'fastapi', 'server']

/** Looks at a folder. `app`: where the app is said to be. */
export async function lookAtProject(folder: string, app?: string): Promise<ExistingProject> {
  const has = (name: string) => existsSync(join(folder, name))
  const read = (name: string) => readFile(join(folder, name), 'utf8').catch(() => '')
  const found = app ?? usualApps.find(([file]) => has(file))?.[1]
  const composeFile = composeFiles.find(has)
  const services = composeFile === undefined ? [] : servicesIn(await read(composeFile))
  const service = services.length === 1 ? services[0] : usualServices.find((name) => services.includes(name))
  const ignored = (await read('.gitignore'))
    .split('\n')
    .map((line) => line.trim().replace(/^\//, '').replace(/\/$/, ''))
  return {
    app: found ?? 'main:app',
    appFound: found !== undefined,
    ...(composeFile === undefined ? {} : { composeFile }),
    service: service ?? 'app',
    serviceFound: service !== undefined,
    hasDockerfile: has('Dockerfile'),
    hasTestsFolder: statSync(join(folder, 'tests'), { throwIfNoEntry: false })?.isDirectory() === true,
    // Without the option, npx would fetch whatever has this name where the package is missing.
    command: has('node_modules/.bin/gatehouse') ? 'npx --no-install gatehouse' : 'gatehouse',
    notIgnored: ['.data', '.env'].filter((name) => !ignored.includes(name))
  }
}

/** The names of a compose file's services, as they are usually written: each on a line of its own below `services:`. */
function servicesIn(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trimEnd())
  const start = lines.indexOf('services:')
  if (start === -1) return []
  const rest = lines.slice(start + 1).filter((line) => line !== '' && !line.trimStart().startsWith('#'))
  const end = rest.findIndex((line) => !line.startsWith(' '))
  const below = end === -1 ? rest : rest.slice(0, end)
  const indent = / */.exec(below[0] ?? '')?.[0] ?? ''
  return below.flatMap((line) => /^([\w.-]+):$/.exec(line.slice(indent.length))?.[1] ?? [])
}
