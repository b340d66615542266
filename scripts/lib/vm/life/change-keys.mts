/** Gives a VM that runs the SSH keys of today. */
import { loginsOf } from '../../cloud-init/logins.mts'
import { type Entry, withEvent } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import { counted } from '../../run/counted.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { locateVm } from '../look/locate.mts'
import { keysOfToday } from '../plan/logins.mts'
import { requireDesign } from '../stack/folder.mts'
import { userDataOf } from '../stack/user-data.mts'
import { writeKeys } from '../stack/write-keys.mts'
import { requireFinished } from './change.mts'

/**
 * Adds the keys of config/vm.yaml, or else that of the person who runs the command, to the account of the VM. Keys that
 * the account has stay. The next rebuild has them, too.
 * @returns the number of keys.
 * @throws ProxmintError as `writeKeys`; (usage) if the VM is off or has no account, or if there is no key.
 */
export async function changeKeys(name: string, unlocked: VmContext): Promise<number> {
  return withVmLock(unlocked, name, 'vm change', async ({ connection, store }) => {
    const entry = requireFinished(await requireEntry(store, name))
    const design = requireDesign(entry)
    const vm = await locateVm(connection, entry)
    if (vm?.status !== 'running') throw refused(`${name} does not run`, `zx scripts/vm.mts show ${name}`)
    const { account } = await loginsOf(await userDataOf(connection.site, entry, design))
    if (account === undefined)
      throw refused(`the user-data of ${name} makes no account`, 'add the keys in the VM')
    const forNew = { access: null, cloudInit: { ...design.cloudInit, sshAuthorizedKeys: [] } }
    const { keys } = await keysOfToday(forNew, connection.site)
    if (keys.length === 0)
      throw refused('there is no key to write', 'set ssh_authorized_keys in config/vm.yaml')
    await writeKeys(connection, vm, account, keys)
    await store.change(entry, one => withKeys(one, keys))
    return keys.length
  })
}

/** Its user-data stays as cloud-init read it: another one would make cloud-init run again as in a new VM. */
function withKeys(entry: Entry, keys: string[]): Entry {
  const design = requireDesign(entry)
  const { atRebuild, cloudInit } = design
  const known = atRebuild?.cloudInit.sshAuthorizedKeys ?? cloudInit.sshAuthorizedKeys
  const sshAuthorizedKeys = [...new Set([...known, ...keys])]
  if (sshAuthorizedKeys.length === known.length) return entry
  const next = { cloudInit: { ...atRebuild?.cloudInit, sshAuthorizedKeys } }
  const what = `${counted(keys.length, 'SSH key')} written by the guest agent`
  return withEvent({ ...entry, design: { ...design, atRebuild: next } }, what, new Date())
}

function refused(message: string, hint: string): ProxmintError {
  return new ProxmintError(`${message}: no key was written`, { hint, exitCode: exitCodes.usage })
}
