/** Plans entries for VMs in Proxmox that proxmint did not make. Pure. */
import { parseAddress } from '../../config/addresses.mts'
import type { PoolConfig } from '../../config/pools.mts'
import { expiryAfter } from '../../registry/due.mts'
import { type Entry, isVmName, NO_POOL } from '../../registry/entry.mts'
import { idInMark } from '../../registry/identity.mts'
import { addressIn, poolOf, type SiteVm } from './adopt.mts'
import type { VmWishes } from './design.mts'

interface ForeignAdopting {
  wishes: Pick<VmWishes, 'address' | 'expiryDays'>
  pools: PoolConfig
  /** Random UUID of the entry. */
  id: string
  now: Date
}

interface ForeignAdoption {
  /** Undefined if it cannot be adopted. */
  entry: Entry | undefined
  /** Why it cannot be adopted, a phrase each. */
  faults: string[]
}

/** Plans the entry of a VM. Without days it never expires: nobody agreed to an end. */
export function planForeignAdoption(
  vm: SiteVm,
  { wishes, pools, id, now }: ForeignAdopting,
): ForeignAdoption {
  const { vmid, node, status, config } = vm
  const name = String(config['name'] ?? '')
  const address = wishes.address ?? addressIn(config) ?? agentAddress(vm, pools)
  const faults = faultsOf(vm, name, address)
  if (faults.length > 0 || address === undefined) return { entry: undefined, faults }
  const at = now.toISOString()
  const startsWithNode = Number(config['onboot'] ?? 0) === 1
  const entry: Entry = {
    ...{ name, id, phase: 'active', vmid, node, address, pool: poolOf(address, pools)?.name ?? NO_POOL },
    ...(status !== 'running' && { stopped: { startsWithNode } }),
    ...{ foreign: true, owner: null, template: null, token: null, design: null, purpose: '', failure: null },
    expiresAt: expiryAfter(now.getTime(), wishes.expiryDays ?? Number.POSITIVE_INFINITY),
    createdAt: at,
    // By these words others know that its disk may hold data.
    history: ['adopted by its VMID', 'created', 'active'].map(what => ({ at, what })),
  }
  return { entry, faults: [] }
}

function faultsOf({ vmid, config }: SiteVm, name: string, address: string | undefined): string[] {
  const id = idInMark(String(config['description'] ?? ''))
  return [
    Number(config['template'] ?? 0) === 1 ? 'it is a VM template' : '',
    isVmName(name)
      ? ''
      : `its name "${name}" is not one that proxmint can use (a to z, 0 to 9 and hyphens inside): rename it in Proxmox`,
    id === undefined
      ? ''
      : `its notes have "Entry ${id}.": a registry of proxmint has it. If that is this site's: zx scripts/vm.mts adopt ${name}; ` +
        'if it is gone, take these words out of its notes',
    address === undefined
      ? `neither its config nor its guest agent tells its address: zx scripts/vm.mts adopt ${vmid} --ip ADDRESS`
      : '',
  ].filter(Boolean)
}

/** The one that is in a pool, or else the first that others can reach. */
function agentAddress({ addresses }: SiteVm, pools: PoolConfig): string | undefined {
  const reachable = addresses.filter(
    text => parseAddress(text) !== undefined && !/^(127\.|::1$|fe80:)/i.test(text),
  )
  return reachable.find(text => poolOf(text, pools) !== undefined) ?? reachable[0]
}
