#!/usr/bin/env -S node --max-semi-space-size=16
// Every process of Gatehouse starts here. V8 doubles its young generation up to twice 32 MB, and never gives it back: up
// to 16 a warm request needs no more CPU and the process 60 MB less (docs/performance.md). What is imported below comes
// compiled, and stripped of its types, from the cache.
import './module-hooks.js'

await import('./cli.ts')
