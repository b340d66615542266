import type { VmDefaults } from '../config/vm-defaults.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'
import type { Site } from '../site/site.mts'
import { userDataOf } from '../vm/stack/user-data.mts'

/** @throws ProxmintError (invalid) where config/vm.yaml makes VMs from a template family that has no folder. */
export function requireDefaultFamily({ template }: VmDefaults, families: string[]): void {
  if (families.includes(template)) return
  throw new ProxmintError(
    `config/vm.yaml names the unknown template family ${template}${didYouMean(template, families)}`,
    { hint: `a folder of packer/: ${families.join(', ')}`, exitCode: exitCodes.invalid },
  )
}

/** Fills the cloud-init template in that VMs get where nobody says another. @throws ProxmintError where it cannot be. */
export async function requireUserData(site: Site, { cloudInit }: VmDefaults): Promise<void> {
  const vm = { name: 'doctor', purpose: '', token: null, address: undefined }
  await userDataOf(site, vm, { cloudInit, access: null })
}
