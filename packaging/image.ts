import { fileURLToPath } from 'node:url'
import { layOutInstalled } from './installed.ts'

// For Dockerfile: what the image holds, in dist/installed, of what `npm run build` has made.
const dist = fileURLToPath(new URL('../dist', import.meta.url))
await layOutInstalled(`${dist}/npm`, `${dist}/installed`)
