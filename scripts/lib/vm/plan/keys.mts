import type { Entry, VmDesign } from '../../registry/entry.mts'
import type { RegistryStore } from '../../registry/store.mts'
import { say } from '../../run/progress.mts'
import type { Site } from '../../site/site.mts'

/** Says so where a VM lets nobody in. */
export function warnOfNoKey(
  name: string,
  { access, cloudInit }: Pick<VmDesign, 'access' | 'cloudInit'>,
): void {
  if (access !== null || cloudInit.sshAuthorizedKeys.length > 0) return
  say(
    `warning: ${name} gets no SSH key, so nobody can log in: set ssh_authorized_keys in config/vm.yaml before it is made`,
  )
}

/**
 * A VM that lets nobody in, and is not made yet, takes the keys that config/vm.yaml has by now: all else about it was
 * decided with its reservation, and a door that was forgotten was not.
 * @returns the entry as it is then.
 */
export async function withKeysOfToday(
  entry: Entry,
  store: RegistryStore,
  site: Pick<Site, 'vmDefaults'>,
): Promise<Entry> {
  const { design, name } = entry
  if (entry.phase !== 'reserved' || design === null || design.access !== null) return entry
  if (design.cloudInit.sshAuthorizedKeys.length > 0) return entry
  const { sshAuthorizedKeys } = (await site.vmDefaults()).cloudInit
  const withKeys = { ...design, cloudInit: { ...design.cloudInit, sshAuthorizedKeys } }
  warnOfNoKey(name, withKeys)
  if (sshAuthorizedKeys.length === 0) return entry
  return store.change(name, one => ({ ...one, design: withKeys }))
}
