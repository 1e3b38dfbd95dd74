import { fileURLToPath } from 'node:url'
import { buildNpmPackage } from './npm-package.ts'

// `npm run build`: what is published, in dist/.
const { folder, tarball } = await buildNpmPackage(fileURLToPath(new URL('../dist', import.meta.url)))
process.stdout.write(`${folder}\n${tarball}\n`)
