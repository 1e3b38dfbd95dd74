// npm run fuzz -- --seconds 60 --connections 1000000 --seed 1: mutated requests, and how the gateway is afterwards.
import { parseArgs } from 'node:util'
import { fuzz } from './run.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    connections: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() & 0x7fffffff) }
  }
})

const endings: (() => unknown)[] = []
const teardown = (work: () => unknown) => endings.push(work)
const say = (line: string) => process.stdout.write(`${line}\n`)

say(`--seed ${values.seed} --seconds ${values.seconds}`)
try {
  const { findings, ...report } = await fuzz(
    { teardown },
    { seconds: Number(values.seconds), most: Number(values.connections), seed: Number(values.seed) }
  )
  say(JSON.stringify(report, undefined, 2))
  for (const finding of findings) say(`FOUND ${finding}`)
  say(findings.length === 0 ? 'nothing found' : `${findings.length} findings`)
  process.exitCode = findings.length === 0 ? 0 : 1
} finally {
  for (const ending of endings.reverse()) await ending()
}
