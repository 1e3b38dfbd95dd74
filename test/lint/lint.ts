import { findingsInGateway } from './regular-expressions.ts'

// `npm run check`: says which regular expressions of the gateway a client could freeze it with.
const findings = findingsInGateway()
for (const { place, problem } of findings) process.stderr.write(`${place} ${problem}\n`)
if (findings.length > 0) process.exitCode = 1
