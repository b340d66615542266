import type { Config } from '../config/load.mts'
import type { Acceptance } from '../packer/family.mts'
import { acceptanceNeeds, type Need } from '../permissions/needs.mts'

export interface TestedPlace {
  pveMajor: number
  node: string
  /** Storage of the clones' disks. */
  storage: string
  /** VMID of the VM template; undefined before it is built. */
  vmid: number | undefined
}

/** Needs of the acceptance test of a VM template. */
export function needsOfAcceptance(
  config: Config,
  { acceptance }: { acceptance: Acceptance },
  place: TestedPlace,
): Need[] {
  const { pveMajor, node, storage, vmid } = place
  const clones = { pveMajor, node, vmid: undefined, diskStorages: [storage], bridge: config.bridge }
  return acceptanceNeeds(clones, vmid, acceptance, config.imageStorage)
}
