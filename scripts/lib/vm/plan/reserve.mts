import type { Config } from '../../config/load.mts'
import type { Pool, PoolConfig } from '../../config/pools.mts'
import type { VmDefaults } from '../../config/vm-defaults.mts'
import { requireSeparateRanges } from '../../config/vmid-ranges.mts'
import { isVmidFree } from '../../proxmox/is-vmid-free.mts'
import { listVms } from '../../proxmox/list-vms.mts'
import { advance, type Entry, type VmDesign, withEvent } from '../../registry/entry.mts'
import type { WantedEntry } from '../../registry/store.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { didYouMean } from '../../run/nearest.mts'
import { requireFamily } from '../../site/checked-template.mts'
import { requireNode } from '../../site/require-node.mts'
import { requireStorages, type WantedStorage } from '../../site/require-storages.mts'
import type { Site } from '../../site/site.mts'
import type { VmContext } from '../context.mts'
import { userDataOf } from '../stack/user-data.mts'
import { accessDesign } from './access.mts'
import { copyFor, currentVersion, designVm, type VmWishes, type WantedVm } from './design.mts'
import { warnOfLogins } from './logins.mts'
import { pickNode } from './node.mts'
import {
  requireClonable,
  requireDisk,
  requireMintable,
  requireNodeSsh,
  requirePrivileges,
} from './requirements.mts'

const dayMs = 24 * 60 * 60 * 1000

/**
 * Takes a name, a VMID and an address for a new VM, and writes down all that it is to be.
 * @throws ProxmintError (usage) for what cannot be had, (invalid) where there is no VM template to make it from.
 */
export async function reserveNewVm(name: string, wishes: VmWishes, context: VmContext): Promise<Entry> {
  const { store, connection, checks, issuer } = context
  const { site, client } = checks
  const [pools, defaults] = await Promise.all([site.pools(), site.vmDefaults()])
  const placed = await withNode(context, defaults, wishes)
  const wanted = await wantedVm(checks, pools, defaults, name, placed)
  const { node, design } = wanted
  requireNodeSsh(checks, design)
  await requirePrivileges(checks, `vm create ${name}`, node, design)
  await requireStorages(client, node, storagesFor(design))
  await requireDisk(checks, design.template, design.disk)
  await requireClonable(checks, design.template, node)
  await userDataOf(site, wanted, design)
  await requireMintable(wanted, issuer)
  warnOfLogins(wanted)
  const takenVmids = new Set((await listVms(client)).map(vm => vm.vmid))
  for (;;) {
    const limits = { vmidRange: pools.vmidRange, takenVmids, now: new Date() }
    const [entry] = await store.reserve([wanted], limits)
    if (await isVmidFree(connection.client, entry!.vmid)) return entry!
    // It exists, and the API token may not see it.
    takenVmids.add(entry!.vmid)
    await store.change(name, one => neverMade(one, new Date()))
  }
}

/** It is decided with the reservation, and a storage by a wrong name can never be had. */
function storagesFor({ storage, cloudInit }: VmDesign): WantedStorage[] {
  const content = cloudInit.delivery === 'iso' ? 'iso' : 'snippets'
  return [
    { storage, contents: ['images'], setBy: 'proxmox_storage_pool in the credentials' },
    { storage: cloudInit.storage, contents: [content], setBy: '`cloud_init.storage` in config/vm.yaml' },
  ]
}

/** The archive says why there never was a VM of this entry. */
export function neverMade(entry: Entry, at: Date): Entry {
  const why = `given up: VMID ${entry.vmid} is taken in Proxmox by a VM that cannot be seen`
  return advance(withEvent(entry, why, at), 'destroyed', at)
}

async function withNode(
  { checks, connection }: VmContext,
  defaults: VmDefaults,
  wishes: VmWishes,
): Promise<VmWishes> {
  const template = wishes.owner === undefined ? defaults.template : defaults.credential.template
  if (wishes.node !== undefined && wishes.node !== 'auto') await requireNode(checks.client, wishes.node)
  if (wishes.node !== 'auto') return wishes
  // Free memory is asked anew for each VM, or all of a fleet would be made on one node.
  return { ...wishes, node: await pickNode(connection, wishes, template) }
}

/** Where VMs are made unless somebody wishes otherwise. */
export interface VmPlace {
  site: Site
  config: Config
  credentials: { node: string; storagePool: string }
  /** How the VM template is found. Default: by the lockfile, or as the wishes say. */
  findTemplate?: FindTemplate
}

/** @param family of the wishes, or the usual one. */
export type FindTemplate = (
  site: Pick<Site, 'families'>,
  family: string,
  wishes: VmWishes,
  node: string,
) => Promise<FoundTemplate>

export interface FoundTemplate {
  template: { vmid: number; node: string }
  /** Null for one that is in no lockfile. */
  version: WantedEntry['template']
}

/** Everything about a VM that can be told without asking Proxmox. */
export async function wantedVm(
  { site, config, credentials, findTemplate = templateFor }: VmPlace,
  pools: PoolConfig,
  defaults: VmDefaults,
  name: string,
  wishes: VmWishes,
): Promise<WantedVm> {
  requireSeparateRanges(pools, config)
  const node = wishes.node ?? credentials.node
  const pool = poolNamed(pools, wishes.pool ?? pools.defaultPool)
  const access = await accessDesign(site, name, wishes)
  const usual = access === null ? defaults.template : defaults.credential.template
  const { template, version } = await findTemplate(site, wishes.template ?? usual, wishes, node)
  const place = { config, pool, template, storage: credentials.storagePool, access }
  const design = designVm(wishes, defaults, place)
  const days = wishes.expiryDays ?? pools.expiryDays
  return {
    name,
    node,
    owner: wishes.owner ?? null,
    expiresAt: new Date(Date.now() + days * dayMs).toISOString(),
    template: version,
    token: access === null ? null : { status: 'reserved', id: null, transaction: null },
    design,
    purpose: wishes.purpose ?? '',
    pool,
    vmid: wishes.vmid,
    address: wishes.address,
  }
}

/** @throws ProxmintError (usage) for one that config/db.yaml does not have. */
export function poolNamed({ pools }: PoolConfig, name: string): Pool {
  const pool = pools[name]
  if (pool !== undefined) return pool
  throw new ProxmintError(`unknown pool ${name}${didYouMean(name, Object.keys(pools))}`, {
    facts: { known: Object.keys(pools).join(', ') },
    hint: 'pools are in config/db.yaml',
    exitCode: exitCodes.usage,
  })
}

/** @throws ProxmintError (usage, invalid) where there is no version to make a VM from. */
export async function templateFor(
  site: Pick<Site, 'families'>,
  family: string,
  { templateVmid }: VmWishes,
  node: string,
): Promise<FoundTemplate> {
  if (templateVmid !== undefined) return { template: { vmid: templateVmid, node }, version: null }
  const families = await site.families()
  await requireFamily(family, families)
  if (families[family] === undefined) throw noVersionYet(family)
  const version = currentVersion(families, family)
  return { template: copyFor(version, node), version: { family, version: version.name } }
}

function noVersionYet(family: string): ProxmintError {
  return new ProxmintError(`the VM is to be made from ${family}, which has no version yet`, {
    hint:
      `zx scripts/build.mts ${family}; or name another VM template: --template OS, --template-vmid N. ` +
      'config/vm.yaml says which it is by default',
    exitCode: exitCodes.usage,
  })
}
