/** What `vm rebuild` is going to do, and what it did, for a person. */
import type { PoolConfig } from '../../config/pools.mts'
import type { Entry } from '../../registry/entry.mts'
import { counted } from '../../run/counted.mts'
import type { Families } from '../../templates/version.mts'
import { SHUTDOWN_SECONDS } from '../stack/reshape.mts'
import type { Applied } from './apply.mts'
import { versionFor } from './rebuild.mts'

/**
 * Says what a rebuild or an undo will do.
 * @returns undefined if there is nothing to agree to: the VM is on the current version.
 * @throws ProxmintError as `versionFor`.
 */
export function planText(
  entry: Entry,
  isUndo: boolean,
  families: Families,
  { rollbackDays }: Pick<PoolConfig, 'rollbackDays'>,
): string | undefined {
  const { name, vmid, rebuild, previous } = entry
  const off = `VM ${vmid} is shut down, by force after ${SHUTDOWN_SECONDS} s, and starts again`
  if (isUndo) return `${off} with ${rebuild?.from ?? previous?.version ?? 'its former system'}.`
  if (rebuild !== undefined) return `The ${rebuild.kind} of ${name} to ${rebuild.to} goes on. ${off}.`
  const version = versionFor(entry, families)
  if (version === undefined) return undefined
  if (entry.phase === 'reserved') return `${name} is only reserved; it will be made from ${version.name}.`
  const kept = counted(rollbackDays, 'day')
  return `${off} with a new root disk of ${version.name}. Its root disk of now is kept for ${kept}; all else of it stays.`
}

/** Says what became of the VM. */
export function rebuiltText({ entry, did }: Applied): string {
  const { name, template, previous } = entry
  const version = template?.version ?? 'its former system'
  if (did === 'nothing') return `${name} is already made from ${version}, the current version`
  if (did === 'changed') return `${name} has ${version} again${keptText(previous)}`
  return `${name} is now made from ${version}${keptText(previous)}`
}

function keptText(previous: Entry['previous']): string {
  if (previous === undefined) return ''
  return `; its root disk with ${previous.version} is kept until ${previous.until.slice(0, 10)}: vm rebuild NAME --undo`
}
