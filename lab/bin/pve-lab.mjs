#!/usr/bin/env node
import { existsSync } from 'node:fs'

// The repository holds TypeScript, which Node.js runs as it is; an installed package holds what is built of it.
const source = new URL('../pve-lab.mts', import.meta.url)
await import((existsSync(source) ? source : new URL('../dist/pve-lab.mjs', import.meta.url)).href)
