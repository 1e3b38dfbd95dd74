import t from 'tap'
import { chaos } from './run.ts'

t.test('sessions end in time and live ones are never refused, whatever happens to the database', async (t) => {
  t.setTimeout(280_000)
  const seed = Number(process.env['CHAOS_SEED'] ?? Date.now() & 0x7fffff)
  t.comment(`CHAOS_SEED=${seed}`)
  const { findings, ...report } = await chaos(t, { seed, seconds: 22 })
  t.comment(JSON.stringify(report))
  for (const finding of findings) t.comment(finding)
  t.equal(findings.length, 0, 'nothing happened that must not')
  const done = Object.values(report.operations).reduce((sum, count) => sum + count, 0)
  t.ok(done > 100, `${done} operations`)
  t.ok(Object.keys(report.faults).length > 0, JSON.stringify(report.faults))
  t.ok((report.verdicts['let through'] ?? 0) > 100 && (report.verdicts['refused'] ?? 0) > 100)
})
