/** OVMF, the UEFI firmware of real machines, from Debian's package ovmf. */

import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isAccessible } from '../../core/files.mts'
import type { GuestUefi, OvmfKind } from '../driver.mts'
import { importImage } from './disk.mts'

const FOLDER = '/usr/share/OVMF'

/** Flash memory of a firmware: its code, and the variables that a new machine begins with. */
interface OvmfFiles {
  code: string
  variables: string
}

/**
 * Returns the files that Proxmox takes, too. Only the code for q35 protects its variables by system management mode, and
 * only that one checks signatures: Debian's code for `pc` does not, Proxmox's does.
 */
export function ovmfFiles({ type, machine, keys }: OvmfKind): OvmfFiles {
  if (type === '2m') return { code: join(FOLDER, 'OVMF_CODE.fd'), variables: join(FOLDER, 'OVMF_VARS.fd') }
  const code = machine === 'q35' ? 'OVMF_CODE_4M.secboot.fd' : 'OVMF_CODE_4M.fd'
  return {
    code: join(FOLDER, code),
    variables: join(FOLDER, keys ? 'OVMF_VARS_4M.ms.fd' : 'OVMF_VARS_4M.fd'),
  }
}

async function requireFile(what: string, path: string): Promise<void> {
  if (await isAccessible(path)) return
  throw new Error(`EFI ${what} image '${path}' not found; it is in Debian's package ovmf`)
}

/** Makes the disk of a machine's variables. @throws {Error} if the firmware is not installed. */
export async function createEfiDisk(target: string, kind: OvmfKind): Promise<void> {
  const { variables } = ovmfFiles(kind)
  await requireFile('vars', variables)
  await importImage(variables, target)
}

/** Flash memory of a machine that is about to start. */
export interface Flash {
  code: string
  variables: { path: string; format: 'qcow2' | 'raw' }
}

/** Prepares the flash memory. Variables without a disk are a copy in the machine's folder. */
export async function prepareFlash(uefi: GuestUefi, folder: string): Promise<Flash> {
  const { code, variables } = ovmfFiles(uefi)
  await requireFile('base', code)
  if (uefi.variables !== undefined) return { code, variables: { path: uefi.variables, format: 'qcow2' } }
  await requireFile('vars', variables)
  const path = join(folder, 'ovmf.fd')
  await copyFile(variables, path)
  return { code, variables: { path, format: 'raw' } }
}
