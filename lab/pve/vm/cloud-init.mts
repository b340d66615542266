/** Generates the cloud-init drive from a VM's config, as PVE/QemuServer/Cloudinit.pm does. */

import { readFile } from 'node:fs/promises'
import type { CloudInitDrive } from '../../guests/driver.mts'
import { failure } from '../core/errors.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import type { VmConfig } from '../core/state.mts'
import { requireFile } from '../storage/files.mts'
import { parseVolumeName } from '../storage/names.mts'
import { parseVolumeId, storageOf } from '../storage/storages.mts'
import { metaData, networkData, userData } from './cloud-init-data.mts'
import { drivesOf, isCloudInit } from './drive.mts'
import { ciCustomFormat } from './option-formats.mts'
import { isCloudInitOption } from './options.mts'
import { HIDDEN_PASSWORD } from './settings.mts'

async function readSnippet(pve: Pve, volid: string): Promise<string> {
  const id = parseVolumeId(volid)!
  if (parseVolumeName(storageOf(pve, id.storage), id.name).type !== 'snippets')
    throw failure(`${volid} is not in the snippets directory`)
  return readFile((await requireFile(pve, volid)).path, 'utf8')
}

export function hasCloudInitDrive(config: VmConfig): boolean {
  return drivesOf(config).some(([, drive]) => isCloudInit(drive))
}

/** Generates the drive's files. `cicustom` replaces single files by snippets. @throws {ApiError} for a missing one. */
export async function generateCloudInit(pve: Pve, vmid: number, config: VmConfig): Promise<CloudInitDrive> {
  const custom = parsePropertyString(ciCustomFormat, config['cicustom'] ?? '')
  const pick = async (name: string, generate: () => string): Promise<string> =>
    custom[name] === undefined ? generate() : readSnippet(pve, custom[name])
  const network = await pick('network', () => networkData(config))
  const user = await pick('user', () => userData(config, vmid))
  return {
    userData: user,
    networkConfig: network,
    metaData: await pick('meta', () => metaData(config, user, network)),
  }
}

/** Shows a generated file. Snippets of `cicustom` are not in it, nor is a password. */
export function dumpCloudInit(config: VmConfig, vmid: number, type: string): string {
  if (type === 'user') return userData(config, vmid, HIDDEN_PASSWORD)
  const network = networkData(config)
  return type === 'network' ? network : metaData(config, userData(config, vmid), network)
}

/** Selects the options that decide the drive's content. */
export function cloudInitOptionsOf(config: VmConfig): VmConfig {
  return Object.fromEntries(
    Object.entries(config).filter(
      ([key]) => key === 'name' || isCloudInitOption(key) || /^net\d+$/.test(key),
    ),
  )
}
