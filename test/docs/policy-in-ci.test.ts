import { execFile } from 'node:child_process'
import { cpSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { testPython, withoutPython } from '../support/python.ts'
import { blockWith, root } from './documents.ts'

t.test('the two steps for CI hold a policy against an app', { skip: await withoutPython() }, async (t) => {
  const commands = blockWith('docs/policy.md', '--strict').match(/(?<=^- run: ).*$/gm) ?? []
  t.equal(commands.length, 2)
  const folder = t.testdir()
  mkdirSync(join(folder, 'app'))
  cpSync(join(root, 'examples/fastapi/main.py'), join(folder, 'app', 'main.py'))
  const python = await testPython()
  const script = commands
    .join('\n')
    .replaceAll('npm run gatehouse --', `'${process.execPath}' '${join(root, 'src/gatehouse.js')}'`)
  const env = {
    PATH: `${dirname(python)}:${process.env['PATH']}`,
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONPATH: join(folder, 'app'),
    GATEHOUSE_CONFIG: join(root, 'gatehouse.config.ts')
  }
  const { status, output } = await new Promise<{ status: number; output: string }>((resolve) => {
    execFile('/bin/sh', ['-ec', `exec 2>&1\n${script}`], { cwd: folder, env }, (error, output) =>
      resolve({ status: Number(error?.code ?? 0), output })
    )
  })
  t.match(output, /^! GET \/me: no rule names it, so it needs a session$/m)
  t.equal(status, 1, 'a finding fails the job')
})
