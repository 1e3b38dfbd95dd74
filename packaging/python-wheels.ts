import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import { findPython, PythonProblem } from '../examples/demo/python.ts'
import { layOutInstalled } from './installed.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const { version } = z
  .object({ version: z.string() })
  .parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')))
const distributions = ['fastapi-gatehouse', 'gatehouse-gateway'] as const

export interface PythonWheels {
  /** That of both. Absolute. */
  readonly folder: string
  readonly fastapiGatehouse: string
  readonly gatehouseGateway: string
}

/** Where in `dist` the wheels come to be. */
export function pythonWheelsIn(dist: string): PythonWheels {
  const wheelOf = (name: (typeof distributions)[number]) =>
    join(dist, `${name.replace('-', '_')}-${version}-py3-none-any.whl`)
  return {
    folder: dist,
    fastapiGatehouse: wheelOf('fastapi-gatehouse'),
    gatehouseGateway: wheelOf('gatehouse-gateway')
  }
}

/**
 * Builds the wheels of both Python distributions in a folder of their own below `dist`, and puts them in their place there;
 * wheels of other versions go. `npmFolder` is what `npm run build` has made. With uv where it is installed, otherwise with
 * `python -m build`. Rejects with a PythonProblem where there is no Python, or with what the builder said.
 */
export async function buildPythonWheels(npmFolder: string, dist: string): Promise<PythonWheels> {
  const { command } = await findPython()
  await mkdir(dist, { recursive: true })
  const workshop = await mkdtemp(join(dist, '.wheels-'))
  try {
    await cp(join(root, 'python'), join(workshop, 'python'), { recursive: true })
    await layOutInstalled(npmFolder, join(workshop, 'dist/installed'))
    const projects = distributions.map((name) => join(workshop, 'python', name))
    const out = join(workshop, 'out')
    if (await hasUv()) {
      for (const project of projects)
        await build('uv', ['build', '--quiet', '--wheel', '--python', command, '--out-dir', out, project])
    } else {
      const tools = join(workshop, 'tools')
      const python = join(tools, 'bin', 'python')
      await build(command, ['-m', 'venv', tools])
      await build(python, [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--disable-pip-version-check',
        'build',
        'hatchling>=1.27'
      ])
      for (const project of projects)
        await build(python, ['-m', 'build', '--wheel', '--no-isolation', '--outdir', out, project])
    }
    // `pip install dist/*.whl` means those of one version.
    for (const file of await readdir(dist)) if (file.endsWith('.whl')) await rm(join(dist, file))
    for (const file of await readdir(out)) if (file.endsWith('.whl')) await rename(join(out, file), join(dist, file))
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
  return pythonWheelsIn(dist)
}

async function hasUv(): Promise<boolean> {
  return run('uv', ['--version']).then(
    () => true,
    () => false
  )
}

async function build(command: string, args: readonly string[]): Promise<void> {
  await run(command, args, { maxBuffer: 64 << 20 }).catch((error: unknown) => {
    const said = z.object({ stderr: z.string() }).safeParse(error).data?.stderr ?? ''
    throw new PythonProblem(`${command} ${args.slice(0, 3).join(' ')} … failed:\n${said.slice(-4_000)}`)
  })
}
