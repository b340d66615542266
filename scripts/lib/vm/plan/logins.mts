/** Logins of a VM: SSH keys, and wallets. */
import type { Entry, VmDesign } from '../../registry/entry.mts'
import type { RegistryStore } from '../../registry/store.mts'
import { say } from '../../run/progress.mts'
import type { Site } from '../../site/site.mts'
import type { WantedVm } from './design.mts'

/** Warns where nobody can log in to the new VM, or no wallet can yet. */
export function warnOfLogins({ name, template, design }: WantedVm): void {
  const { access } = design
  warnOfNoKey(name, design)
  if (access === null) return
  if (template === null) say(`warning: nobody can tell whether that VM template has libpam-web3 in it`)
  if (access.mintLater) say(`no wallet opens ${name} until it has a token: zx scripts/mint.mts --vm ${name}`)
}

function warnOfNoKey(name: string, { access, cloudInit }: Pick<VmDesign, 'access' | 'cloudInit'>): void {
  if (access !== null || cloudInit.sshAuthorizedKeys.length > 0) return
  say(
    `warning: ${name} gets no SSH key, so nobody can log in: set ssh_authorized_keys in config/vm.yaml before it is made`,
  )
}

/**
 * Gives a VM that lets nobody in, and is not made yet, the SSH keys that config/vm.yaml has by now. All else about it
 * was decided with its reservation; keys that were forgotten were not.
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
  return store.change(entry, one => ({ ...one, design: withKeys }))
}
