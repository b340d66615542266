/** Why a VM is not brought back. */
import { expiryDay } from '../../registry/due.mts'
import type { Entry } from '../../registry/entry.mts'
import { exitCodes, messageOf, ProxmintError } from '../../run/errors.mts'
import type { Restorable } from './restore-plan.mts'

export function alive({ name, phase }: Entry): ProxmintError {
  return new ProxmintError(`${name} is ${phase}: only a destroyed VM is restored`, {
    hint: `to look at it: zx scripts/vm.mts show ${name}`,
    exitCode: exitCodes.usage,
  })
}

export function noBackup({ name, history }: Entry): ProxmintError {
  return new ProxmintError(`${name} was destroyed without a backup`, {
    facts: { at: history.at(-1)?.at },
    hint: '`safety: backup` in config/vm.yaml, or `vm destroy NAME --safety backup`, makes one of the next VM',
    exitCode: exitCodes.usage,
  })
}

export function expiredMeanwhile(entry: Entry): ProxmintError {
  const { name } = entry
  return new ProxmintError(`${name} expired on ${expiryDay(entry)}: gc would destroy it again`, {
    hint: `zx scripts/vm.mts restore ${name} --days N`,
    exitCode: exitCodes.usage,
  })
}

export function obstructed({ name, vmid }: Entry, obstacles: string[]): ProxmintError {
  const lines = obstacles.map(obstacle => `  - ${obstacle}`).join('\n')
  const other = obstacles.some(obstacle => obstacle.startsWith('VMID'))
    ? `to bring it back with another VMID: zx scripts/vm.mts restore ${name} --vmid N. `
    : ''
  return new ProxmintError(`${name} cannot come back as it was (VM ${vmid}):\n${lines}`, {
    hint: `nothing was touched; ${other}A name or an address is free once the VM that has it is destroyed`,
    exitCode: exitCodes.usage,
  })
}

export function backupUnreadable({ name, backup }: Restorable, cause: unknown): ProxmintError {
  return new ProxmintError(`the backup of ${name} cannot be read: ${messageOf(cause)}`, {
    facts: { backup: backup.volid, node: backup.node },
    hint:
      'nothing was touched; is the storage there, and the backup on it? `zx scripts/check-permissions.mts` tells what the ' +
      'API token lacks',
    cause,
  })
}

export function anothers({ name, id, backup }: Restorable): ProxmintError {
  return new ProxmintError(`${backup.volid} is not a backup of ${name}: its notes lack the id of the entry`, {
    facts: { id },
    hint: 'nothing was touched; somebody put another file in its place: look at it in Proxmox',
    exitCode: exitCodes.invalid,
  })
}
