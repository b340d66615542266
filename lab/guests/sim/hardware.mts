/** Hardware of a simulated guest, as its boot scripts read it. */

import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LabNetwork } from '../../network/lab-network.mts'
import type { Leases } from '../../network/leases.mts'
import type { GuestStart } from '../driver.mts'
import type { Interface } from './network-config.mts'
import { translateSeed } from './seed.mts'
import { readVolume, rootOf, type Volume } from './volume.mts'

export interface GuestHost {
  /** Folder for files of running guests: consoles and descriptions of hardware. */
  runFolder: string
  leases: Leases
  network: LabNetwork
}

/** A machine that is complete but not switched on yet. */
interface Hardware {
  /** Folder of this guest while it runs. */
  folder: string
  consolePath: string
  interfaces: Interface[]
  /** Root file system of the disk that it boots from; undefined if that disk is missing or blank. */
  root: string | undefined
  /** Variables for enter.sh and enter-loopback.sh. */
  environment: NodeJS.ProcessEnv
}

export async function prepareHardware(host: GuestHost, guest: GuestStart): Promise<Hardware> {
  const folder = join(host.runFolder, String(guest.vmid))
  const interfaces = guest.nics.map((nic, index) => ({ name: `eth${index}`, mac: nic.mac.toLowerCase() }))
  const disk = guest.disks[0]
  const volume = disk && (await readVolume(disk.path))
  // A linked clone shows the file system of its base, but it lacks the partition id that the kernel looks for.
  const root = volume?.partuuid ? rootOf(volume.backing ?? disk!.path) : undefined
  await rm(folder, { recursive: true, force: true })
  await describeHardware(join(folder, 'hardware'), host, guest, interfaces, volume)
  const environment = {
    PATH: process.env['PATH'],
    ROOT: root ?? '',
    PARTUUID: volume?.backing ? '' : (volume?.partuuid ?? ''),
    HARDWARE: join(folder, 'hardware'),
    AGENT_PORT: guest.agentChannel ? '1' : '0',
  }
  return { folder, consolePath: join(folder, 'console.log'), interfaces, root, environment }
}

/** Writes the files that the guest finds under /dev/lab. */
async function describeHardware(
  folder: string,
  host: GuestHost,
  guest: GuestStart,
  interfaces: Interface[],
  volume: Volume | undefined,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const leases = interfaces.map(({ mac }) => {
    const { address, gateway } = host.leases.lease(mac)
    return `${mac} ${address} ${gateway}\n`
  })
  await writeFile(join(folder, 'leases'), leases.join(''))
  await writeFile(join(folder, 'interfaces'), interfaces.map(({ name, mac }) => `${name} ${mac}\n`).join(''))
  await writeFile(join(folder, 'package-source'), `${host.network.packagesUrl}\n`)
  if (volume) await writeFile(join(folder, 'root-size'), `${volume.sizeBytes}\n`)
  const seed = await translateSeed(guest.cloudInit, guest.cdroms, interfaces)
  if (!seed) return
  await mkdir(join(folder, 'cidata'), { mode: 0o700 })
  await writeFile(join(folder, 'cidata', 'plan.sh'), seed.plan)
  await writeFile(join(folder, 'cidata', 'user-data'), seed.userData)
}
