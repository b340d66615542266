import { createHash } from 'node:crypto'
import type { Config } from '../../config/load.mts'
import { nested, valueAt } from '../../config/paths.mts'
import type { Pool } from '../../config/pools.mts'
import { siteTagOf } from '../../config/site-tag.mts'
import type { VmDefaults } from '../../config/vm-defaults.mts'
import type { VmOptionTable } from '../../config/vm-option.mts'
import type { OptionsWith, OptionValue } from '../../config/vm-option-types.mts'
import { VM_OPTIONS } from '../../config/vm-options.mts'
import type { AccessDesign, CardDesign, ClonedDesign, VmAttributes, VmDesign } from '../../registry/entry.mts'
import type { WantedEntry } from '../../registry/store.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { familyIn } from '../../templates/channels.mts'
import type { Families, TemplateCopy, TemplateVersion } from '../../templates/version.mts'
import { networkDesign, networkOfPool } from './network.mts'

/** An entry to be reserved, with everything that the VM is to be. */
export type WantedVm = WantedEntry & { node: string; design: ClonedDesign }

/** Wishes of a person about one VM, with the units of `VM_OPTIONS`; undefined takes the default of config/vm.yaml. */
export type VmWishes = {
  [N in OptionsWith<{ names: { flag: string } }>]:
    | OptionValue<N>
    | (N extends OptionsWith<{ kind: 'list' | 'switch' }> ? never : undefined)
}

/** The version new VMs of a family are made from. @throws ProxmintError where there is none, or it is revoked. */
export function currentVersion(families: Families, os: string): TemplateVersion {
  const { current } = familyIn(families, os)
  if (current === null) {
    throw new ProxmintError(`${os} has no current version`, {
      hint: `zx scripts/build.mts ${os}, or promote its candidate: zx scripts/templates.mts promote ${os}`,
      exitCode: exitCodes.invalid,
    })
  }
  if (current.revoked === undefined) return current
  throw new ProxmintError(`${current.name}, the current version of ${os}, is revoked`, {
    facts: { reason: current.revoked.reason },
    hint: `zx scripts/templates.mts rollback ${os}, or build a new one: zx scripts/build.mts ${os}`,
    exitCode: exitCodes.invalid,
  })
}

/** The copy on the node itself, or else any: Proxmox clones to another node only from shared storage, and says so. */
export function copyFor(version: TemplateVersion, node: string): TemplateCopy {
  return version.copies.find(copy => copy.node === node) ?? version.copies[0]!
}

/** Decides everything that the VM is, so that later defaults change nothing about it. */
export function designVm(
  wishes: VmWishes,
  defaults: VmDefaults,
  place: {
    config: Config
    pool: Pool
    access: AccessDesign | null
    /** Undefined: one card, as the pool has it. */
    cards?: CardDesign[] | undefined
  },
): Omit<VmDesign, 'template' | 'storage'> {
  const { config, pool, access, cards } = place
  const attributes = decidedAttributes(wishes, access === null ? defaults : withCredential(defaults))
  const { noLogin } = wishes
  const resourcePool = attributes.resourcePool ?? config.resourcePool
  return {
    ...attributes,
    ...(resourcePool !== undefined && { resourcePool }),
    ...networkDesign(networkOfPool(pool, config), cards),
    tags: [...new Set([siteTagOf(config), ...ownerTags(wishes), ...attributes.tags])],
    cloudInit: { ...attributes.cloudInit, ...(noLogin && { sshAuthorizedKeys: [] }), ownFile: true },
    ...(noLogin && { noLogin }),
    access,
  }
}

/** Takes the wish for each attribute of the design, or else its default. */
export function decidedAttributes(
  wishes: VmWishes,
  defaults: VmDefaults,
  table: VmOptionTable = VM_OPTIONS,
): VmAttributes {
  const values = Object.entries(table).flatMap(([wish, { names, designed, kind }]) => {
    const { attribute } = names
    if (attribute === undefined || designed === false) return []
    const [wished, usual] = [valueAt(wishes, wish), valueAt(defaults, attribute)]
    const value = kind === 'map' && wished ? { ...(usual as object), ...wished } : (wished ?? usual)
    return value === undefined ? [] : [[attribute, value] as const]
  })
  return nested(values) as VmAttributes
}

/** Returns the defaults of a VM with an access credential. */
function withCredential(defaults: VmDefaults): VmDefaults {
  const template = defaults.credential.cloudInitTemplate
  return { ...defaults, cloudInit: { ...defaults.cloudInit, template } }
}

/** For whoever looks for an owner's VMs in Proxmox; not the wallet itself, which is nobody's business there. */
export function walletTag(owner: string): string {
  return `wallet-${createHash('sha256').update(owner.toLowerCase()).digest('hex').slice(0, 12)}`
}

function ownerTags({ owner }: VmWishes): string[] {
  return owner === undefined ? [] : [walletTag(owner)]
}
