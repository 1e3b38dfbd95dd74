import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Cleanup } from '../cleanup.ts'
import { temporaryFolder } from '../processes.ts'
import type { Load, LoadGenerator } from './load.ts'

const run = promisify(execFile)

interface Report {
  readonly requests: number
  readonly microseconds: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  /** Answers with a status of 400 or more. */
  readonly refused: number
  /** Connections that failed and requests that broke. */
  readonly broken: number
}

/** wrk with one thread: it needs a fraction of the CPU of what it measures. */
export async function createWrk(cleanup: Cleanup, program: string): Promise<LoadGenerator> {
  const folder = await temporaryFolder(cleanup)
  let scripts = 0
  const scriptOf = new Map<Load, string>()
  const placeOf = new Map<Load, number>()

  async function script(load: Load): Promise<string> {
    const known = scriptOf.get(load)
    if (known !== undefined) return known
    const path = join(folder, `${scripts++}.lua`)
    await writeFile(`${path}.cookies`, (load.others?.cookies ?? []).join('\n'))
    await writeFile(path, lua(load, `${path}.cookies`))
    scriptOf.set(load, path)
    return path
  }

  return {
    name: 'wrk',
    async run(load, connections, seconds) {
      // A slice goes on among the cookies where the one before it left off: its last ones are still cached.
      const start = placeOf.get(load) ?? 0
      const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', await script(load), load.url]
      const { stdout } = await run(program, args, { env: { ...process.env, START: String(start) } })
      const report: Report = JSON.parse(/^\{.*\}$/m.exec(stdout)?.[0] ?? '{}')
      if (load.others !== undefined) {
        const taken = Math.ceil((report.requests + connections) / load.others.every)
        placeOf.set(load, (start + taken) % load.others.cookies.length)
      }
      const wrong = load.status >= 400 ? report.requests - report.refused : report.refused
      if (wrong + report.broken > 0) {
        throw new Error(`${load.url}: ${report.requests} requests, ${wrong} of another status, ${report.broken} broken`)
      }
      return {
        requests: report.requests,
        seconds: report.microseconds / 1e6,
        p50: report.p50 / 1e3,
        p99: report.p99 / 1e3,
        p999: report.p999 / 1e3
      }
    }
  }
}

function lua({ headers, others }: Load, cookies: string): string {
  const assigned = Object.entries(headers).map(([name, value]) => `wrk.headers[${quoted(name)}] = ${quoted(value)}`)
  const mixed = `
local requests, asked, place = {}, 0, 0
init = function()
  local warm = wrk.headers['Cookie']
  for cookie in io.lines(${quoted(cookies)}) do
    wrk.headers['Cookie'] = cookie
    requests[#requests + 1] = wrk.format()
  end
  wrk.headers['Cookie'] = warm
  requests[0] = wrk.format()
  place = tonumber(os.getenv('START'))
end
request = function()
  asked = asked + 1
  if asked % ${others?.every ?? 1} ~= 0 then return requests[0] end
  place = place % #requests + 1
  return requests[place]
end`
  return `${assigned.join('\n')}${others === undefined ? '' : mixed}
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"requests":%d,"microseconds":%d,"p50":%f,"p99":%f,"p999":%f,"refused":%d,"broken":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.status, errors.connect + errors.read + errors.write))
end
`
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
