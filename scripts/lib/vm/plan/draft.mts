/** Drafts of VMs: all that is decided before anybody logs in to Proxmox. */

import type { Config } from '../../config/load.mts'
import type { Pool, PoolConfig } from '../../config/pools.mts'
import type { VmDefaults } from '../../config/vm-defaults.mts'
import { requireSeparateRanges } from '../../config/vmid-ranges.mts'
import { expiryAfter } from '../../registry/due.mts'
import type { VmDesign } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { didYouMean } from '../../run/nearest.mts'
import { ownValue } from '../../run/own-value.mts'
import { requireFamily } from '../../site/checked-template.mts'
import type { Site } from '../../site/site.mts'
import type { TemplateVersion } from '../../templates/version.mts'
import { accessDesign } from './access.mts'
import { type PlannedCards, planCards } from './cards.mts'
import { requireDataDisks } from './data-disks.mts'
import { copyFor, currentVersion, designVm, type VmWishes, type WantedVm } from './design.mts'
import { requireDevices } from './devices.mts'
import { keysOfToday, withSshKeys } from './logins.mts'
import { requireExpressible } from './network.mts'

/** The VM template of a VM: a version of the lockfile, or one that a person named by its VMID. */
export type TemplateSource = { family: string; version: TemplateVersion } | { vmid: number }

/** A VM without a node and a storage, which the credentials and Proxmox decide. */
export interface DraftVm extends Omit<WantedVm, 'node' | 'design' | 'template' | 'expiresAt'> {
  /** Counted from the reservation on; infinite: it never expires. */
  expiryDays: number
  /** As wished; `auto` takes the node with the most free memory. */
  node: string | undefined
  source: TemplateSource
  /** File of the SSH key that it has of the person who runs the command. */
  ownKeyFile: string | undefined
  design: Omit<VmDesign, 'template' | 'storage'>
}

/** @param family of the wishes, or the default. */
export type FindTemplate = (
  site: Pick<Site, 'families'>,
  family: string,
  wishes: VmWishes,
) => Promise<TemplateSource>

/**
 * Drafts a VM. Neither Proxmox is asked nor a credential.
 * @throws ProxmintError for wishes that cannot be had.
 */
export async function draftVm(
  site: Site,
  name: string,
  wishes: VmWishes,
  find: FindTemplate = findTemplate,
): Promise<DraftVm> {
  const [config, pools, defaults] = await Promise.all([site.config(), site.pools(), site.vmDefaults()])
  requireSeparateRanges(pools, config)
  const planned = plannedCards(wishes, { defaults, pools, config })
  const { pool, address } = planned?.first ?? {
    pool: poolNamed(pools, wishes.pool ?? pools.defaultPool),
    address: wishes.address,
  }
  const access = await accessDesign(site, name, wishes)
  const design = designVm(wishes, defaults, { config, pool, access, cards: planned?.cards })
  requireDataDisks(name, design.disks)
  requireDevices(name, design.devices)
  for (const one of [pool, ...routedPools(planned)]) requireExpressible(one, design.cloudInit)
  const { keys, file } = await keysOfToday(design, site)
  const usual = access === null ? defaults.template : defaults.credential.template
  return {
    name,
    node: wishes.node,
    owner: wishes.owner ?? null,
    ...(wishes.ownerName && { ownerName: wishes.ownerName }),
    expiryDays: wishes.expiryDays ?? pools.expiryDays,
    source: await find(site, wishes.template ?? usual, wishes),
    token: access === null ? null : { status: 'reserved', id: null, transaction: null },
    ownKeyFile: file,
    design: withSshKeys(design, keys),
    purpose: wishes.purpose ?? '',
    pool,
    vmid: wishes.vmid,
    address,
    ...(planned && planned.further.length > 0 && { further: planned.further }),
  }
}

/** @returns undefined for a VM with one card that its pool decides. */
function plannedCards(
  { networks, pool, address }: VmWishes,
  { defaults, ...given }: { defaults: VmDefaults; pools: PoolConfig; config: Config },
): PlannedCards | undefined {
  const wished = networks ?? defaults.networks
  if (wished === undefined || wished.length === 0) return undefined
  return planCards(wished, { ...given, pool, address })
}

function routedPools(planned: PlannedCards | undefined): Pool[] {
  return (planned?.further ?? []).filter(({ routed }) => routed).map(({ pool }) => pool)
}

/** Puts a draft on a node, with the disk on this storage. @param now begin of its time until the expiry. */
export function placeVm(
  { source, design, expiryDays, ownKeyFile: _, ...draft }: DraftVm,
  node: string,
  storage: string,
  now: Date,
): WantedVm {
  const isVersion = 'version' in source
  const { vmid, node: on } = isVersion ? copyFor(source.version, node) : { vmid: source.vmid, node }
  const template = isVersion ? { family: source.family, version: source.version.name } : null
  const expiresAt = expiryAfter(now.getTime(), expiryDays)
  return { ...draft, expiresAt, node, template, design: { template: { vmid, node: on }, storage, ...design } }
}

/** @throws ProxmintError (usage) for a pool that config/db.yaml does not have. */
export function poolNamed({ pools }: PoolConfig, name: string): Pool {
  const pool = ownValue(pools, name)
  if (pool !== undefined) return pool
  throw new ProxmintError(`unknown pool ${name}${didYouMean(name, Object.keys(pools))}`, {
    facts: { known: Object.keys(pools).join(', ') },
    hint: 'pools are in config/db.yaml',
    exitCode: exitCodes.usage,
  })
}

/** @throws ProxmintError (usage, invalid) where there is no version to make a VM from. */
export async function findTemplate(
  site: Pick<Site, 'families'>,
  family: string,
  { templateVmid }: VmWishes,
): Promise<TemplateSource> {
  if (templateVmid !== undefined) return { vmid: templateVmid }
  const families = await site.families()
  await requireFamily(family, families)
  if (ownValue(families, family) === undefined) throw noVersionYet(family)
  return { family, version: currentVersion(families, family) }
}

function noVersionYet(family: string): ProxmintError {
  return new ProxmintError(`the VM is to be made from ${family}, which has no version yet`, {
    hint:
      `zx scripts/build.mts ${family}; or name another VM template: --template OS, --template-vmid N. ` +
      'config/vm.yaml says which it is by default',
    exitCode: exitCodes.usage,
  })
}
