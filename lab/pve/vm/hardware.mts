/** The machine that a VM's config describes, for the driver of the guests. */

import type { GuestStart } from '../../guests/driver.mts'
import { findNode } from '../core/cluster.mts'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import { requireFile } from '../storage/files.mts'
import { parseVolumeId } from '../storage/storages.mts'
import { volumeOf } from '../storage/volumes.mts'
import { cloudInitOptionsOf, generateCloudInit } from './cloud-init.mts'
import { drivesOf, isCdrom, isCloudInit } from './drive.mts'
import { isFirmwareSlot } from './drive-formats.mts'
import { firmwareOf } from './firmware.mts'
import { nicsOf } from './identity.mts'
import { coresOf, hasAgentChannel, memoryOf } from './vm.mts'

async function cdromsOf(pve: Pve, config: VmConfig): Promise<GuestStart['cdroms']> {
  const media = drivesOf(config).filter(
    ([, drive]) => isCdrom(drive) && !isCloudInit(drive) && parseVolumeId(drive.file),
  )
  return Promise.all(
    media.map(async ([slot, drive]) => ({ slot, path: (await requireFile(pve, drive.file)).path })),
  )
}

function disksOf(pve: Pve, config: VmConfig): GuestStart['disks'] {
  return drivesOf(config)
    .filter(([slot, drive]) => !isCdrom(drive) && !isFirmwareSlot(slot))
    .map(
      ([
        slot,
        {
          file,
          options: { serial },
        },
      ]) => ({
        slot,
        path: volumeOf(pve, file).path,
        ...(serial !== undefined && { serial: unescaped(serial) }),
      }),
    )
}

/** Decodes `%2c` and leaves all else as it is, also a `%` that begins no code. */
function unescaped(text: string): string {
  return text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
}

/** Generates the cloud-init drive again; undefined if the config has none. */
async function cloudInitOf(pve: Pve, { vmid, config }: Vm): Promise<GuestStart['cloudInit']> {
  const [slot] = drivesOf(config).find(([, drive]) => isCloudInit(drive)) ?? []
  return slot === undefined ? undefined : { slot, ...(await generateCloudInit(pve, vmid, config)) }
}

/** Collects the settings for the driver from the config of this moment. */
export async function describeGuest(pve: Pve, vm: Vm): Promise<GuestStart> {
  const { vmid, config } = vm
  const cloudInit = await cloudInitOf(pve, vm)
  if (cloudInit) vm.cloudInitApplied = cloudInitOptionsOf(config)
  return {
    vmid,
    name: config['name'] ?? `VM ${vmid}`,
    memory: memoryOf(config),
    cores: coresOf(config),
    ...firmwareOf(pve, config),
    scsiController: config['scsihw'] ?? 'lsi',
    disks: disksOf(pve, config),
    cdroms: await cdromsOf(pve, config),
    nics: nicsOf(config).map(([slot, nic]) => ({
      slot,
      mac: nic['macaddr']!,
      bridge: nic['bridge'] ?? '',
      model: nic['model']!,
    })),
    cloudInit,
    agentChannel: hasAgentChannel(config),
  }
}

/** Checks the number of CPUs, if the cluster's description has one. The number of the lab's machine does not matter. */
export function requireCpus(pve: Pve, config: VmConfig): void {
  const cpus = findNode(pve.store.state, pve.node)?.cores
  if (cpus !== undefined && coresOf(config) > cpus)
    throw failure(`MAX ${cpus} vcpus allowed per VM on this node`)
}
