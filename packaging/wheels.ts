import { fileURLToPath } from 'node:url'
import { buildPythonWheels } from './python-wheels.ts'

// `npm run build:wheels`: the two Python distributions, in dist/, of what `npm run build` has made there.
const dist = fileURLToPath(new URL('../dist', import.meta.url))
const { fastapiGatehouse, gatehouseGateway } = await buildPythonWheels(`${dist}/npm`, dist)
process.stdout.write(`${fastapiGatehouse}\n${gatehouseGateway}\n`)
