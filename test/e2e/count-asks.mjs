/**
 * Preloaded by `node --import`: appends what a command reads and asks to the file that PROXMINT_TEST_ASKS names, a line
 * each: `read PATH` or `METHOD PATH` of Proxmox's API.
 */
import { appendFileSync } from 'node:fs'
import promises from 'node:fs/promises'
import https from 'node:https'
import { syncBuiltinESMExports } from 'node:module'

const file = process.env['PROXMINT_TEST_ASKS']

function wrap(module, name, lineOf) {
  const original = module[name]
  module[name] = (...args) => {
    appendFileSync(file, `${lineOf(...args)}\n`)
    return original(...args)
  }
}

if (file !== undefined) {
  wrap(promises, 'readFile', path => `read ${path}`)
  wrap(https, 'request', (url, options) => `${options.method} ${new URL(url).pathname}${new URL(url).search}`)
  syncBuiltinESMExports()
}
