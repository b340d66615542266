/** Errors for a registry in files that cannot be used as it is. */
import { messageOf, ProxmintError } from '../../run/errors.mts'

const RESTORE = 'restore a backup: zx scripts/registry.mts restore FILE --replace'

export function corrupt(path: string, why: string): ProxmintError {
  return new ProxmintError(`the registry is damaged: ${path}: ${why}`, {
    hint: `nothing was changed; ${RESTORE}`,
  })
}

/** @param path of the registry's folder or marker. */
export function unreadable(path: string, cause: unknown): ProxmintError {
  return new ProxmintError(`the registry cannot be read: ${messageOf(cause)}`, {
    hint: `nothing was changed; look at its owner and permissions: ls -ld ${path}`,
    cause,
  })
}

/** Error for a registry that was emptied, removed or exchanged for an older one. */
export function gone(folder: string, marker: string, found: number, expected: number): ProxmintError {
  const what = found === 0 ? 'is gone' : 'is older than it was'
  return new ProxmintError(
    `the registry ${what}: ${folder} ends with commit ${found}, and there were at least ${expected}`,
    { hint: hintBy(marker), facts: { 'known by': marker } },
  )
}

/** Error for a registry whose commits are not those that were made here. */
export function exchanged(path: string, marker: string, serial: number): ProxmintError {
  return new ProxmintError(
    `the registry was exchanged for another: ${path}: commit ${serial} is not the one that was made here`,
    { hint: hintBy(marker), facts: { 'known by': marker } },
  )
}

function hintBy(marker: string): string {
  return (
    `nothing was changed; ${RESTORE}; if this is the registry that you want: rm ${marker}; without a backup: remove that ` +
    'file, then zx scripts/vm.mts adopt --site'
  )
}

/** @throws ProxmintError if a newer proxmint wrote the file. */
export function requireVersion(path: string, version: number): void {
  if (version === 1) return
  throw new ProxmintError(
    `${path} was written by a newer proxmint (version ${version} of the format, not 1)`,
    { hint: 'use that version; nothing was changed' },
  )
}
