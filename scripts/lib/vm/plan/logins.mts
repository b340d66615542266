/** Logins of a VM: SSH keys, and wallets. */
import { loginsOf } from '../../cloud-init/logins.mts'
import { type Entry, type VmDesign, wasActive } from '../../registry/entry.mts'
import type { RegistryStore } from '../../registry/store.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import type { Site } from '../../site/site.mts'
import { type UserDataVm, userDataOf } from '../stack/user-data.mts'
import type { WantedVm } from './design.mts'

type LoginDesign = Pick<VmDesign, 'access' | 'cloudInit' | 'noLogin' | 'disks' | 'dataDisks'>
type LoginSite = Pick<Site, 'vmDefaults' | 'ownSshKey' | 'userDataTemplate'>

/** Warns if no wallet can open the new VM yet, or if nobody knows whether one will. */
export function warnOfLogins({ name, template, design: { access } }: WantedVm): void {
  if (access === null) return
  if (template === null) say(`warning: nobody can tell whether that VM template has libpam-web3 in it`)
  if (access.mintLater)
    say(`no wallet opens ${name} until it has a token: zx scripts/mint.mts --vm ${name} --allow reboot`)
}

/**
 * Finds the SSH keys of a VM for which none was decided: those of config/vm.yaml, or else that of the person who runs
 * the command.
 * @returns empty for a VM that has keys, that a wallet opens, or that nobody is to log in to.
 */
export async function keysOfToday(
  { access, cloudInit, noLogin }: LoginDesign,
  site: Pick<Site, 'vmDefaults' | 'ownSshKey'>,
): Promise<{ keys: string[]; file?: string }> {
  if (access !== null || noLogin === true || cloudInit.sshAuthorizedKeys.length > 0) return { keys: [] }
  const { sshAuthorizedKeys } = (await site.vmDefaults()).cloudInit
  if (sshAuthorizedKeys.length > 0) return { keys: sshAuthorizedKeys }
  const own = await site.ownSshKey()
  return own === undefined ? { keys: [] } : { keys: [own.publicKey], file: own.file }
}

/** Prints once for all VMs of a command which key of the person they get. */
export function sayOwnKey(names: string[], file: string): void {
  const who = names.length === 1 ? names[0] : `${names.length} VMs`
  say(`${who}: the SSH key is ${file}, since config/vm.yaml has no ssh_authorized_keys`)
}

/**
 * Renders the user-data of a VM, and checks that it lets somebody in.
 * @throws ProxmintError (invalid) if nobody could log in, and nobody agreed to that.
 */
export async function requireLogin(
  vm: UserDataVm & { name: string },
  design: LoginDesign,
  site: LoginSite,
): Promise<void> {
  const userData = await userDataOf(site, vm, design)
  if (design.access !== null || design.noLogin === true || (await loginsOf(userData)).any) return
  const { sshAuthorizedKeys, template } = design.cloudInit
  throw sshAuthorizedKeys.length === 0 ? noKey(vm.name) : keyUnused(vm.name, template)
}

/**
 * Gives a VM that lets nobody in, and is not made yet, the SSH keys that there are by now. All else about it was decided
 * with its reservation; keys that were forgotten were not.
 * @returns the entry as it is then.
 * @throws ProxmintError (invalid) if nobody could log in to a VM that never ran.
 */
export async function withKeysOfToday(entry: Entry, store: RegistryStore, site: LoginSite): Promise<Entry> {
  const { design, name } = entry
  if (entry.phase !== 'reserved' || design === null || design.access !== null) return entry
  if (design.noLogin === true || design.cloudInit.sshAuthorizedKeys.length > 0) return entry
  const { keys, file } = await keysOfToday(design, site)
  if (file !== undefined) sayOwnKey([name], file)
  const withKeys = withSshKeys(design, keys)
  // The disk of a VM that is made anew is gone by now: there is no way back.
  if (!wasActive(entry)) await requireLogin(entry, withKeys, site)
  return keys.length === 0 ? entry : store.change(entry, one => ({ ...one, design: withKeys }))
}

export function withSshKeys<D extends LoginDesign>(design: D, keys: string[]): D {
  if (keys.length === 0) return design
  return { ...design, cloudInit: { ...design.cloudInit, sshAuthorizedKeys: keys } }
}

function noKey(name: string): ProxmintError {
  return new ProxmintError(`nobody could log in to ${name}: there is no SSH key for it`, {
    facts: { 'looked in': 'config/vm.yaml, ~/.ssh/id_ed25519.pub, id_ecdsa.pub, id_rsa.pub' },
    hint:
      'make a key with `ssh-keygen -t ed25519`, or set ssh_authorized_keys in config/vm.yaml; --no-login makes a VM ' +
      'that nobody can log in to',
    exitCode: exitCodes.invalid,
  })
}

function keyUnused(name: string, template: string): ProxmintError {
  return new ProxmintError(
    `nobody could log in to ${name}: its cloud-init template ${template} gives no account a key`,
    {
      hint:
        'add `ssh_authorized_keys: "{{ ssh_authorized_keys }}"` to the account in cloud-init/templates/' +
        `${template}.yaml; --no-login makes a VM that nobody can log in to`,
      exitCode: exitCodes.invalid,
    },
  )
}
