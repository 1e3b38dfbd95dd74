// npm run chaos -- --seed 1 --minutes 5: random operations and faults, and what two gateways make of them.
import { parseArgs } from 'node:util'
import { chaos } from './run.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() & 0x7fffff) },
    minutes: { type: 'string', default: '1' }
  }
})

const endings: (() => unknown)[] = []
const teardown = (work: () => unknown) => endings.push(work)
const say = (line: string) => process.stdout.write(`${line}\n`)

say(`--seed ${values.seed} --minutes ${values.minutes}`)
try {
  const { findings, ...report } = await chaos(
    { teardown },
    { seed: Number(values.seed), seconds: Number(values.minutes) * 60 }
  )
  say(JSON.stringify(report, undefined, 2))
  for (const finding of findings) say(`FOUND ${finding}`)
  say(findings.length === 0 ? 'nothing found' : `${findings.length} findings`)
  process.exitCode = findings.length === 0 ? 0 : 1
} finally {
  for (const ending of endings.reverse()) await ending()
}
