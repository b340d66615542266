import type { Config } from '../config/load.mts'
import { resolveValue } from '../packer/resolve-value.mts'
import type { Template } from '../packer/template.mts'
import { baseImportNeeds, cloneBuildNeeds, type Need } from '../permissions/needs.mts'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { getVmConfig, type VmConfig } from '../proxmox/get-vm-config.mts'
import { listVms, type VmSummary } from '../proxmox/list-vms.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'

/** What is known of the VM template a build is to make, before Packer runs. */
export interface BuildTarget {
  /** The base VM's name. */
  baseName: string
  diskStorages: string[]
  bridge: string
  pool: string | undefined
  usesAgent: boolean
}

/**
 * Reads from a template what its proxmox-clone source will ask of Proxmox.
 * @param variables what Packer will be given by `-var`.
 * @throws ProxmintError (invalid) where it has no such source or names its base VM in a way only Packer can tell.
 */
export function buildTarget(
  template: Template,
  variables: Record<string, string>,
  env: NodeJS.ProcessEnv,
): BuildTarget {
  const source = template.sources.find(candidate => candidate.type === 'proxmox-clone')
  if (source === undefined) {
    throw new ProxmintError(`${template.folder} has no proxmox-clone source`, { exitCode: exitCodes.invalid })
  }
  const value = (name: string): string | undefined => {
    const resolved = resolveValue(template, source.values[name], variables, env)
    return resolved === undefined || resolved === '' ? undefined : String(resolved)
  }
  const baseName = value('clone_vm')
  if (baseName === undefined) {
    throw new ProxmintError(
      `${source.file}:${source.block.line}: the name in \`clone_vm\` cannot be told before the build`,
      {
        hint: 'write it as text, with nothing in it but variables that have a default',
        exitCode: exitCodes.invalid,
      },
    )
  }
  const storage = value('cloud_init_storage_pool')
  return {
    baseName,
    diskStorages: storage === undefined ? [] : [storage],
    bridge: bridgeOf(template, source.values['network_adapters'], variables, env),
    pool: value('pool'),
    usesAgent: value('qemu_agent') !== 'false',
  }
}

function bridgeOf(
  template: Template,
  adapters: unknown,
  variables: Record<string, string>,
  env: NodeJS.ProcessEnv,
): string {
  const [first] = Array.isArray(adapters) ? adapters : []
  return String(resolveValue(template, first?.bridge, variables, env) ?? 'vmbr0')
}

/** The base VM of a build on one node, or on any, as far as the identity can see VMs. */
export async function findBase(
  client: ProxmoxClient,
  name: string,
  node?: string,
): Promise<VmSummary | undefined> {
  const matches = (await listVms(client)).filter(
    vm => vm.name === name && (node === undefined || vm.node === node),
  )
  if (matches.length <= 1) return matches[0]
  throw new ProxmintError(`${matches.length} VMs are named ${name}`, {
    facts: { vmids: matches.map(vm => vm.vmid).join(', ') },
    hint: 'rename or delete all but one: Packer finds its base VM by name',
    exitCode: exitCodes.invalid,
  })
}

/** Needs of a build, with the storages of the base VM's disks where those can be read. */
export async function needsOfBuild(
  client: ProxmoxClient,
  target: BuildTarget,
  place: { node: string; pveMajor: number },
  base: VmSummary | undefined,
): Promise<Need[]> {
  const config: VmConfig = base === undefined ? {} : await getVmConfig(client, base)
  const diskStorages = [...new Set([...target.diskStorages, ...storagesOf(config)])]
  return cloneBuildNeeds(
    { ...place, vmid: undefined, diskStorages, bridge: target.bridge, pool: target.pool },
    base?.vmid,
    target.usesAgent,
  )
}

/** The storages a VM's disks are on. */
export function storagesOf(config: VmConfig): string[] {
  return Object.entries(config)
    .filter(
      ([key, value]) => /^(scsi|virtio|sata|ide)\d+$/.test(key) && !String(value).includes('media=cdrom'),
    )
    .map(([, value]) => String(value).split(':')[0]!)
}

/** Needs of `base import`. */
export function needsOfBaseImport(
  config: Config,
  place: { node: string; storagePool: string; pveMajor: number },
): Need[] {
  const { node, pveMajor, storagePool } = place
  return baseImportNeeds(
    { pveMajor, node, vmid: undefined, diskStorages: [storagePool], bridge: config.bridge },
    config.imageStorage,
  )
}
