import type { VmDefaults } from '../../config/vm-defaults.mts'
import { requireSeparateRanges } from '../../config/vmid-ranges.mts'
import { listFamilies } from '../../packer/template.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { didYouMean } from '../../run/nearest.mts'
import type { Site } from '../../site/site.mts'
import { requireSharedStates } from '../../vm/open.mts'
import { userDataOf } from '../../vm/stack/user-data.mts'
import type { DoctorCheck } from '../check.mts'
import { errorsOf, faultsOr, once } from '../diagnosis.mts'
import { type Look, lookAt, lookWith } from '../look.mts'
import type { SharedLooks } from '../shared.mts'

/** Every file of config/ against its schema, and the files against each other. */
export const config: DoctorCheck<Look<unknown>[]> = {
  area: 'config',
  look: shared => lookAt(() => lookAtFiles(shared)),
  // A faulty file is read for more than one look, and a look that lacks a file adds nothing to that.
  judge: looks => once(faultsOr('config', errorsOf(looks), 'every file follows its schema')),
}

function lookAtFiles({ site, config, pools, defaults, web3 }: SharedLooks): Promise<Look<unknown>[]> {
  return Promise.all([
    ...[config, pools, defaults, web3],
    lookAt(() => requireSharedStates(site)),
    lookWith(defaults, 'config/vm.yaml', async value => requireDefaultFamily(value, await listFamilies())),
    lookWith(defaults, 'config/vm.yaml', value => requireUserData(site, value)),
    lookWith(pools, 'config/db.yaml', async value => {
      const loaded = await config
      if ('value' in loaded) requireSeparateRanges(value, loaded.value)
    }),
  ])
}

/** @throws ProxmintError (invalid) if config/vm.yaml makes VMs from a template family that has no folder. */
export function requireDefaultFamily({ template }: VmDefaults, families: string[]): void {
  if (families.includes(template)) return
  throw new ProxmintError(
    `config/vm.yaml names the unknown template family ${template}${didYouMean(template, families)}`,
    { hint: `a folder of packer/: ${families.join(', ')}`, exitCode: exitCodes.invalid },
  )
}

/** Fills in the default cloud-init template of VMs. @throws ProxmintError if that is not possible. */
export async function requireUserData(site: Site, { cloudInit }: VmDefaults): Promise<void> {
  const vm = { name: 'doctor', purpose: '', token: null, address: undefined }
  await userDataOf(site, vm, { cloudInit, access: null })
}
