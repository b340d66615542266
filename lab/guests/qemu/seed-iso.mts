import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../core/process.mts'
import type { CloudInitDrive } from '../driver.mts'

/** Writes the drive as Proxmox does, a NoCloud ISO, below `folder`. It may hold secrets: its owner's alone. */
export async function writeSeedIso(drive: CloudInitDrive, folder: string): Promise<string> {
  const content = join(folder, 'cidata')
  await mkdir(content, { mode: 0o700 })
  await writeFile(join(content, 'user-data'), drive.userData)
  await writeFile(join(content, 'meta-data'), drive.metaData)
  await writeFile(join(content, 'network-config'), drive.networkConfig)
  const iso = join(folder, 'cloud-init.iso')
  await run('genisoimage', ['-quiet', '-joliet', '-rock', '-volid', 'cidata', '-output', iso, content])
  return iso
}
