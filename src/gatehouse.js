#!/usr/bin/env node
// Every process of Gatehouse starts here. What is imported below comes compiled, and stripped of its types, from the cache.
import './module-hooks.js'

await import('./cli.ts')
