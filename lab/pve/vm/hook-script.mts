/** Checks of the script that the node runs when a VM starts or stops. */

import { access, constants } from 'node:fs/promises'
import { parameterError } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import { findFile } from '../storage/files.mts'
import { parseVolumeName } from '../storage/names.mts'
import { parseVolumeId, storageOf } from '../storage/storages.mts'

async function faultOf(pve: Pve, volid: string): Promise<string | undefined> {
  const id = parseVolumeId(volid)!
  if (parseVolumeName(storageOf(pve, id.storage), id.name).type !== 'snippets')
    return `'${volid}' is not in the snippets directory\n`
  const file = await findFile(pve, volid)
  if (!file) return `script '${volid}' does not exist\n`
  const isExecutable = await access(file.path, constants.X_OK).then(
    () => true,
    () => false,
  )
  return isExecutable ? undefined : `script '${volid}' is not executable\n`
}

/** @throws {ApiError} 400 for a script that the node could not run. */
export async function requireHookScript(pve: Pve, volid: string | undefined): Promise<void> {
  const fault = volid === undefined ? undefined : await faultOf(pve, volid)
  if (fault !== undefined) throw parameterError({ hookscript: fault })
}
