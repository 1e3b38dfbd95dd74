// npm run chaos -- --seed 1 --minutes 5: random operations and faults, and what two gateways make of them.
// npm run chaos -- propagation --times 1000: how long a revocation takes to be felt on another gateway.
// npm run chaos -- soak --minutes 20: a steady load, and whether memory and descriptors stay flat.
import { parseArgs } from 'node:util'
import { propagation } from './propagation.ts'
import { chaos } from './run.ts'
import { soak } from './soak.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: String(Date.now() & 0x7fffff) },
    minutes: { type: 'string', default: '1' },
    times: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '200' }
  }
})
const seed = Number(values.seed)
const seconds = Number(values.minutes) * 60

const endings: (() => unknown)[] = []
const t = { teardown: (work: () => unknown) => endings.push(work) }
const say = (line: string) => process.stdout.write(`${line}\n`)

async function run(): Promise<readonly string[]> {
  const [what = 'chaos'] = positionals
  switch (what) {
    case 'chaos': {
      say(`--seed ${seed} --minutes ${values.minutes}`)
      const { findings, ...report } = await chaos(t, { seed, seconds })
      say(JSON.stringify(report, undefined, 2))
      return findings
    }
    case 'propagation': {
      const found: string[] = []
      for (const driver of ['pg', 'neon'] as const) {
        const { findings, ...report } = await propagation(t, driver, Number(values.times))
        say(JSON.stringify(report))
        found.push(...findings)
      }
      return found
    }
    case 'soak': {
      const { findings, ...report } = await soak(t, {
        seed,
        seconds,
        requestsPerSecond: Number(values.rate),
        onHoldings: (after, held) => say(`${after} s: ${JSON.stringify(held)}`)
      })
      say(JSON.stringify(report, undefined, 2))
      return findings
    }
    default:
      return [`there is no ${what}: chaos, propagation or soak`]
  }
}

try {
  const findings = await run()
  for (const finding of findings) say(`FOUND ${finding}`)
  say(findings.length === 0 ? 'nothing found' : `${findings.length} findings`)
  process.exitCode = findings.length === 0 ? 0 : 1
} finally {
  for (const ending of endings.reverse()) await ending()
}
