#!/usr/bin/env -S node --max-semi-space-size=16
// Every process of Gatehouse starts here. The option bounds V8's young generation, whose two halves otherwise grow to 32 MB
// each and never shrink: with 16 MB the process needs 60 MB less, and a warm request no more CPU (docs/performance.md).
// What is imported below comes from the compile cache, stripped of its types.
import './module-hooks.js'

await import('./cli.ts')
