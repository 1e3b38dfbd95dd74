import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { areGone, descendants, makeProject, startDev } from '../support/dev-process.ts'
import { serversPython, withoutPython, withoutServers } from '../support/python.ts'
import { until } from '../support/until.ts'
import { startUvicorn } from '../support/uvicorn.ts'
import { blocksOf, pageOf } from './documents.ts'

const skip = (await withoutPython()) || (await withoutServers())
const commands = blocksOf(pageOf('docs/development.md')).map(({ text }) => text.trim())
const argumentsOf = (command: string) => command.replace(/^gatehouse dev /, '').split(' ')

t.setTimeout(300_000)

t.test('every command of the page about development works as it stands', { skip }, async (t) => {
  t.equal(commands.length, 4)
  const cwd = await makeProject(t)
  const opened = join(cwd, 'opened')
  await writeFile(join(cwd, 'xdg-open'), `#!/bin/sh\nprintf %s "$1" > '${opened}'\n`, { mode: 0o755 })
  const bin = dirname(await serversPython())
  const env = { PATH: `${cwd}:${bin}:${process.env['PATH']}` }
  const running = await startUvicorn(t, { dir: cwd })

  for (const command of commands) {
    t.match(command, /^gatehouse dev /)
    const terminal = command.includes('--user')
    // A port that others may have on this machine, and an app on a port of its own.
    const args = argumentsOf(
      command.replace('--port 8081', '--port 18081').replace('http://127.0.0.1:8000', running.url)
    )
    const dev = await startDev(t, { cwd, args, env, terminal })
    const publicUrl = await dev.ready()
    const answer = await fetch(`${publicUrl}/greeting`)
    t.equal(await answer.text(), '"good morning"', command)
    if (terminal) {
      await dev.printed('/auth/dev/sign-in?token=')
      await until(async () => (await readFile(opened, 'utf8').catch(() => '')) === publicUrl)
    }
    const processes = await descendants(dev.child.pid)
    dev.child.kill('SIGTERM')
    await dev.ended
    await areGone(processes)
  }
})
