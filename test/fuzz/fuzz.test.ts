import t from 'tap'
import { withoutPython } from '../support/python.ts'
import { fuzz } from './run.ts'

t.test('ten seconds of broken requests leave the gateway as it was', { skip: await withoutPython() }, async (t) => {
  t.setTimeout(280_000)
  const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() & 0x7fffffff)
  t.comment(`FUZZ_SEED=${seed}`)
  const { findings, ...report } = await fuzz(t, { seconds: 10, most: 100_000, seed })
  t.comment(JSON.stringify(report))
  // Not as comments: tap takes some of these texts for its own, and with them the assertions that come after.
  t.equal(findings.length, 0, 'nothing happened that must not', {
    findings: findings.map((finding) => JSON.stringify(finding))
  })
  t.ok(report.connections > 100, `${report.connections} connections`)
  t.ok(report.arrived > 100, `${report.arrived} requests reached FastAPI`)
})
