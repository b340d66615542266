import { counted } from '../../run/counted.mts'
import { checkRegistry, type RegistryResult } from '../../site/registry-command.mts'
import type { DoctorCheck } from '../check.mts'
import { ok } from '../diagnosis.mts'
import { lookAt } from '../look.mts'

/** Entries of the registry against each other and the pools, as `registry check` compares them. */
export const registry: DoctorCheck<Pick<RegistryResult, 'registry' | 'entries' | 'faults'>> = {
  area: 'registry',
  look: ({ site }) => lookAt(() => checkRegistry(site)),
  judge: ({ registry, entries, faults }) => {
    if (faults.length === 0) return [ok('registry', `${registry}: ${counted(entries, 'VM')}`)]
    const fix =
      'zx scripts/registry.mts check; mend the config (a pool that moved: docs/vms.md), or restore a backup'
    return faults.map(what => ({ area: 'registry', level: 'fault', what, fix }))
  },
}
