import type { Config } from '../config/load.mts'
import type { PoolConfig } from '../config/pools.mts'
import type { VmDefaults } from '../config/vm-defaults.mts'
import { ownValue } from '../run/own-value.mts'
import { backupNeeds, baseImportNeeds, type CardPlace, type Need, vmNeeds } from './needs.mts'

interface WorkPlace {
  node: string
  storagePool: string
  pveMajor: number
  /** SDN zone of the bridge that the work uses; undefined if it is a bridge of the node. */
  zone?: string | undefined
  /** Networks of the cards of every VM beside the first one. */
  furtherCards?: CardPlace[]
}

/** Needs of `base import`. */
export function needsOfBaseImport(config: Config, place: WorkPlace): Need[] {
  const { node, pveMajor, storagePool, zone } = place
  const { bridge, resourcePool: pool } = config
  return baseImportNeeds(
    { pveMajor, node, vmid: undefined, diskStorages: [storagePool], bridge, zone, pool },
    config.imageStorage,
  )
}

/** Needs of `vm create`, `apply`, `gc` and `vm destroy` for a VM with default settings. */
export function needsOfVms(
  config: Config,
  pools: PoolConfig,
  { cloudInit, safety, backupStorage = 'local', resourcePool = config.resourcePool, disks = [] }: VmDefaults,
  place: WorkPlace,
): Need[] {
  const pool = ownValue(pools.pools, pools.defaultPool)
  const made = {
    pveMajor: place.pveMajor,
    node: place.node,
    vmid: undefined,
    diskStorages: [...new Set([place.storagePool, ...disks.flatMap(({ storage }) => storage ?? [])])],
    pool: resourcePool,
    bridge: pool?.bridge ?? config.bridge,
    vlanTag: pool?.vlan,
    zone: place.zone,
    ...(place.furtherCards && { furtherCards: place.furtherCards }),
  }
  const needs = vmNeeds(made, undefined, { kind: cloudInit.delivery, storage: cloudInit.storage })
  return safety === 'backup' ? [...needs, ...backupNeeds(made, backupStorage)] : needs
}
