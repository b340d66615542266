import { createHash } from 'node:crypto'
import type { Config } from '../../config/load.mts'
import type { Pool } from '../../config/pools.mts'
import type { VmDefaults } from '../../config/vm-defaults.mts'
import type { AccessDesign, VmDesign } from '../../registry/entry.mts'
import type { WantedEntry } from '../../registry/store.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { familyIn } from '../../templates/channels.mts'
import type { Families, TemplateCopy, TemplateVersion } from '../../templates/version.mts'

/** An entry to be reserved, with everything that the VM is to be. */
export type WantedVm = WantedEntry & { node: string; design: VmDesign }

/** What a person may say about a VM beside its name; undefined takes the default of config/vm.yaml. */
export interface VmWishes {
  /** A wallet, checked; its VM gets an access credential. */
  owner: string | undefined
  /** Without an access credential, although a contract is configured. */
  noCredential: boolean
  /** The token is minted some time after the first boot. */
  mintLater: boolean
  purpose: string | undefined
  cores: number | undefined
  cpuType: string | undefined
  /** MiB. */
  memory: number | undefined
  /** GiB. */
  disk: number | undefined
  tags: string[]
  expiryDays: number | undefined
  username: string | undefined
  /** A node, or `auto`. */
  node: string | undefined
  pool: string | undefined
  address: string | undefined
  vmid: number | undefined
  /** A template family. */
  template: string | undefined
  /** VMID of a VM template that is in no lockfile. */
  templateVmid: number | undefined
  cloudInitTemplate: string | undefined
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

/** Everything that decides what the VM is, so that later defaults change nothing about it. */
export function designVm(
  wishes: VmWishes,
  defaults: VmDefaults,
  place: {
    config: Config
    pool: Pool
    access: AccessDesign | null
  },
): Omit<VmDesign, 'template' | 'storage'> {
  const { config, pool, access } = place
  const { cloudInit, credential } = defaults
  const userData = access === null ? cloudInit.template : credential.cloudInitTemplate
  return {
    cores: wishes.cores ?? defaults.cores,
    cpuType: wishes.cpuType ?? defaults.cpuType,
    memory: wishes.memory ?? defaults.memory,
    disk: wishes.disk ?? defaults.disk,
    network: {
      prefix: pool.prefix,
      gateway: pool.gateway ?? null,
      dns: pool.dns,
      bridge: pool.bridge ?? config.bridge,
      vlan: pool.vlan ?? null,
    },
    tags: [...new Set([`proxmint-${config.site}`, ...ownerTags(wishes), ...wishes.tags])],
    cloudInit: {
      ...cloudInit,
      template: wishes.cloudInitTemplate ?? userData,
      username: wishes.username ?? cloudInit.username,
      ownFile: true,
    },
    agentTimeout: defaults.agentTimeout,
    access,
  }
}

/** For whoever looks for an owner's VMs in Proxmox; not the wallet itself, which is nobody's business there. */
export function walletTag(owner: string): string {
  return `wallet-${createHash('sha256').update(owner.toLowerCase()).digest('hex').slice(0, 12)}`
}

function ownerTags({ owner }: VmWishes): string[] {
  return owner === undefined ? [] : [walletTag(owner)]
}
