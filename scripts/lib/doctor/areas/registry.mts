import { unknownText } from '../../registry/unknown-vms.mts'
import { counted } from '../../run/counted.mts'
import { withRegistry } from '../../site/open-registry.mts'
import { checkRegistry, type RegistryResult } from '../../site/registry-command.mts'
import type { DoctorCheck } from '../check.mts'
import { ok } from '../diagnosis.mts'
import { lookAt, valueIn } from '../look.mts'
import type { SharedLooks } from '../shared.mts'

interface RegistryFacts extends Pick<RegistryResult, 'registry' | 'entries' | 'faults'> {
  /** VMs of this site that it does not have, in a sentence. */
  unknown?: string | undefined
}

/** Entries of the registry against each other, the pools and Proxmox. */
export const registry: DoctorCheck<RegistryFacts> = {
  area: 'registry',
  look: shared =>
    lookAt(async () => ({ ...(await checkRegistry(shared.site)), unknown: await unknownIn(shared) })),
  judge: ({ registry, entries, faults, unknown }) => {
    if (unknown !== undefined) return [{ area: 'registry', level: 'fault', what: unknown }]
    if (faults.length === 0) return [ok('registry', `${registry}: ${counted(entries, 'VM')}`)]
    const fix =
      'zx scripts/registry.mts check; mend the config (a pool that moved: docs/vms.md), or restore a backup'
    return faults.map(what => ({ area: 'registry', level: 'fault', what, fix }))
  },
}

/** Undefined also if Proxmox could not be asked: other areas say so. */
async function unknownIn({ site, vms, config }: SharedLooks): Promise<string | undefined> {
  const [seen, found] = [valueIn(await vms), valueIn(await config)] as const
  if (seen === undefined || found === undefined) return undefined
  const entries = await withRegistry(site, 'doctor', store => store.list())
  return unknownText({ vms: seen, entries, config: found })
}
