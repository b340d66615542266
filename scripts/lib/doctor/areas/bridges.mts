import type { Config } from '../../config/load.mts'
import { POOL_FILE, type Pool, type PoolConfig } from '../../config/pools.mts'
import { type Bridge, listBridges } from '../../proxmox/list-bridges.mts'
import { poolNetworkFaults } from '../../site/pool-network.mts'
import { noBridge } from '../../site/require-bridge.mts'
import type { WorkVerdict } from '../../site/work-permissions.mts'
import type { DoctorCheck } from '../check.mts'
import { type Diagnosis, faultsOr } from '../diagnosis.mts'
import { lackedBelow, unseen } from '../hidden.mts'
import { type Look, valueIn } from '../look.mts'
import { lookInProxmox } from '../session.mts'

interface WantedBridge {
  bridge: string
  /** Setting that names it, for a person. */
  setBy: string
}

interface BridgeFacts {
  node: string
  wanted: WantedBridge[]
  found: Bridge[]
  /** Pools of addresses, with the bridge of each. */
  pools: { pool: Pool; bridge: string }[]
  permissions: Look<WorkVerdict>[]
}

/** Bridges of the config and of the pools: on the node, and open to the identity. */
export const bridges: DoctorCheck<BridgeFacts> = {
  area: 'bridges',
  look: ({ session, config, pools, permissions }) =>
    lookInProxmox(session, async ({ client, credentials: { node } }) => ({
      node,
      wanted: wantedBridges(valueIn(await config), valueIn(await pools)),
      found: await listBridges(client, node),
      pools: poolsWithBridge(valueIn(await config), valueIn(await pools)),
      permissions: await permissions,
    })),
  judge: ({ node, wanted, found, pools, permissions }) => {
    const names = found.map(({ iface }) => iface)
    const missing = wanted.filter(({ bridge }) => !names.includes(bridge))
    const privilege = missing.length > 0 ? lackedBelow('/sdn', permissions) : undefined
    if (privilege !== undefined)
      return [
        unseen(
          'bridges',
          privilege,
          missing.map(({ bridge }) => bridge),
        ),
      ]
    const errors = missing.map(({ bridge, setBy }) =>
      noBridge(node, bridge, found, `correct ${setBy}, or give the identity SDN.Use on it`),
    )
    const doubtful = pools.flatMap(({ pool, bridge }) => poolNetworkFaults(pool, bridge, found))
    const well = [...new Set(wanted.map(({ bridge }) => bridge))].join(', ')
    return [...faultsOr('bridges', errors, well), ...doubtful.map(noteOf)]
  },
}

function noteOf(what: string): Diagnosis {
  return {
    area: 'bridges',
    level: 'note',
    what,
    fix: `correct the pool in ${POOL_FILE}; VMs that have an address of it keep it`,
  }
}

function poolsWithBridge(config: Config | undefined, pools: PoolConfig | undefined): BridgeFacts['pools'] {
  return Object.values(pools?.pools ?? {}).flatMap(pool => {
    const bridge = pool.bridge ?? config?.bridge
    return bridge === undefined ? [] : [{ pool, bridge }]
  })
}

function wantedBridges(config: Config | undefined, pools: PoolConfig | undefined): WantedBridge[] {
  const own =
    config === undefined ? [] : [{ bridge: config.bridge, setBy: '`bridge` in config/proxmint.yaml' }]
  const ofPools = Object.values(pools?.pools ?? {}).flatMap(({ name, bridge }) =>
    bridge === undefined ? [] : [{ bridge, setBy: `\`bridge\` of the pool ${name} in ${POOL_FILE}` }],
  )
  return [...own, ...ofPools]
}
