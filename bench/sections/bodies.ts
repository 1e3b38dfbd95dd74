import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { page } from '../contenders/contender.ts'
import { warmOf } from '../contenders/gatehouse.ts'
import { warmUp } from '../measure.ts'
import { cpuMicroseconds, residentBytes } from '../os.ts'
import { digits, megabytes } from '../report/numbers.ts'
import { cookieOf } from '../sessions-made.ts'
import { Stage } from '../stage.ts'
import { quantile } from '../statistics.ts'
import type { Section } from './section.ts'

const size = 10
const chunk = Buffer.alloc(65_536, 'x')
const atOnce = 8

interface Phase {
  readonly name: string
  readonly seconds: number
  readonly cpuPerMegabyte: number
  /** Resident memory in bytes, every 50 ms. */
  readonly resident: readonly number[]
}

/** 10 MB up and 10 MB down, eight at a time, and what that does to the gateway's memory. */
export const bodiesSection: Section = {
  name: 'bodies',
  title: '10 MB bodies',
  async run(context) {
    const stage = new Stage(context.cleanup)
    const { url, pid } = await stage.gateway()
    const agent = new Agent({ keepAlive: true, maxSockets: atOnce })
    context.cleanup.teardown(() => agent.destroy())
    const count = context.quick ? 20 : 400
    // Any traffic makes a heap grow to its usual size; what bodies add to that is the question.
    await warmUp(warmOf({ url, pid }), context)
    await repeat(200, () => transfer(url + page, agent, 0))
    await sleep(500)
    const before = residentBytes([pid])
    const phases: Phase[] = []
    for (const [name, path, upload] of directions) {
      context.say(`${count} times ${name}`)
      phases.push(await watch(name, pid, count, () => transfer(url + path, agent, upload)))
    }
    const peak = Math.max(...phases.flatMap(({ resident }) => resident))
    return {
      tables: [
        {
          title: `${count} bodies of ${size} MB each way, ${atOnce} at a time; ${digits(before * megabytes)} MB resident before`,
          columns: ['', 'MB / s', 'CPU µs / MB', 'memory MB, first half', 'second half', 'peak'],
          rows: phases.map(({ name, seconds, cpuPerMegabyte, resident }) => [
            name,
            digits((count * size) / seconds),
            digits(cpuPerMegabyte),
            digits(quantile(resident.slice(0, resident.length / 2), 0.5) * megabytes),
            digits(quantile(resident.slice(resident.length / 2), 0.5) * megabytes),
            digits(Math.max(...resident) * megabytes)
          ])
        }
      ],
      figures: { 'bodies-growth': [(peak - before) * megabytes] },
      leftOut: [],
      raw: { before, phases }
    }
  }
}

const directions: readonly (readonly [string, string, number])[] = [
  ['up', page, size],
  ['down', `/megabytes/${size}`, 0]
]

async function watch(name: string, pid: number, count: number, work: () => Promise<void>): Promise<Phase> {
  const resident: number[] = []
  const timer = setInterval(() => resident.push(residentBytes([pid])), 50)
  const [cpu, started] = [cpuMicroseconds([pid]), performance.now()]
  try {
    await repeat(count, work)
  } finally {
    clearInterval(timer)
  }
  resident.push(residentBytes([pid]))
  const cpuPerMegabyte = (cpuMicroseconds([pid]) - cpu) / (count * size)
  return { name, seconds: (performance.now() - started) / 1_000, cpuPerMegabyte, resident }
}

async function repeat(times: number, work: () => Promise<void>): Promise<void> {
  let left = times
  const workers = Array.from({ length: atOnce }, async () => {
    while (left-- > 0) await work()
  })
  await Promise.all(workers)
}

function transfer(url: string, agent: Agent, upload: number): Promise<void> {
  return new Promise((done, fail) => {
    const bytes = upload * 1_048_576
    const headers = { Cookie: cookieOf(0, url), ...(bytes > 0 && { 'content-length': bytes }) }
    const sent = request(url, { agent, method: bytes > 0 ? 'POST' : 'GET', headers }, (response) => {
      response.resume()
      response.once('end', () => (response.statusCode === 200 ? done() : fail(new Error(`${response.statusCode}`))))
      response.once('error', fail)
    })
    sent.once('error', fail)
    let left = bytes
    const write = () => {
      while (left > 0) {
        left -= chunk.length
        if (!sent.write(chunk)) return
      }
      sent.off('drain', write)
      sent.end()
    }
    sent.on('drain', write)
    write()
  })
}
