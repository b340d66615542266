/** Digest of a VM's config in the format of `/etc/pve/qemu-server/N.conf`. */

import { createHash } from 'node:crypto'
import type { Vm, VmConfig } from '../core/state.mts'

/** Escapes `:`, `%`, control characters and all beyond ASCII (`encode_text` in PVE/ParseUtils.pm). */
function escaped(line: string): string {
  const bytes = [...Buffer.from(line, 'utf8')]
  const isPlain = (byte: number): boolean => byte >= 0x20 && byte <= 0x7e && byte !== 0x25 && byte !== 0x3a
  const hex = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return bytes.map(byte => (isPlain(byte) ? String.fromCharCode(byte) : hex(byte))).join('')
}

function comment(description: string | undefined): string {
  return description === undefined
    ? ''
    : description
        .replace(/\n$/, '')
        .split('\n')
        .map(line => `#${escaped(line)}\n`)
        .join('')
}

function section(config: VmConfig): string {
  return Object.keys(config)
    .filter(key => key !== 'description')
    .sort()
    .map(key => `${key}: ${config[key]}\n`)
    .join('')
}

/** Writes the file's text: sorted options, then waiting changes in their own section. */
function writeConf(vm: Vm): string {
  const keys = vm.pendingDelete.map(key => (vm.forcedDelete?.includes(key) ? `!${key}` : key))
  const removed = keys.length > 0 ? `delete: ${keys.join(',')}\n` : ''
  const waiting = removed + section(vm.pending)
  return `${comment(vm.config['description'])}${section(vm.config)}${waiting && `\n[PENDING]\n${waiting}`}`
}

/** Returns the SHA-1 of the raw config. A client that sends an older one gets an error. */
export function digestOfVm(vm: Vm): string {
  return createHash('sha1').update(writeConf(vm)).digest('hex')
}

/** Writes the options of a VM as a backup keeps them: without what belongs to this VM alone. */
export function backupText(config: VmConfig): string {
  const kept = Object.entries(config).filter(([key]) => !/^(lock|parent|unused\d+)$/.test(key))
  return `${comment(config['description'])}${section(Object.fromEntries(kept))}`
}

/** Reads the options of a backup. */
export function parseBackupText(text: string): VmConfig {
  const config: VmConfig = {}
  const notes: string[] = []
  for (const line of text.split('\n')) {
    const [, key, value] = /^([a-z][a-z_0-9-]*\d*):\s*(.*?)\s*$/.exec(line) ?? []
    if (key !== undefined) config[key] = value!
    else if (line.startsWith('#') && !line.startsWith('#qmdump#'))
      notes.push(decodeURIComponent(line.slice(1)))
  }
  return notes.length === 0 ? config : { ...config, description: notes.join('\n') }
}
