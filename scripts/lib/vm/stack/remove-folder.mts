import { readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { idInMark } from '../../registry/identity.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { ifThere } from '../../run/if-there.mts'
import type { Connection } from '../../site/connect.mts'
import { vmFolder } from '../look/local-state.mts'

/** Id of the entry that the folder of a VM was written for; undefined if it does not say. */
export async function entryOfFolder(name: string): Promise<string | undefined> {
  return entryIn(vmFolder(name))
}

/**
 * Removes the configuration and, where it is kept there, the state of a VM that is gone. The folder is moved aside first,
 * by one rename, and looked at there: if this run was stopped before, another run may have made a VM of this name.
 * @param id of the entry.
 * @throws ProxmintError (locked) if the folder is that of another entry; it stays then.
 */
export async function removeVmFolder(
  name: string,
  id: string | undefined,
  { requireHeld }: Pick<Connection, 'requireHeld'>,
): Promise<void> {
  const folder = vmFolder(name)
  const aside = join(dirname(folder), `.removed-${id ?? name}`)
  await requireHeld?.()
  // Left by a run that died after its rename.
  await rm(aside, { recursive: true, force: true })
  await ifThere(rename(folder, aside))
  checkpoint('vm-folder-moved')
  const found = await entryIn(aside)
  if (found !== undefined && found !== id) throw await putBack(name, aside, folder)
  await rm(aside, { recursive: true, force: true })
}

async function entryIn(folder: string): Promise<string | undefined> {
  const text = await ifThere(readFile(join(folder, 'main.tf.json'), 'utf8'))
  return text === undefined ? undefined : idInMark(text)
}

async function putBack(name: string, aside: string, folder: string): Promise<ProxmintError> {
  await rename(aside, folder)
  return new ProxmintError(`another run made ${name} anew meanwhile; its folder stays`, {
    hint: `this run lost its lock: look at ${name}: zx scripts/vm.mts show ${name}`,
    exitCode: exitCodes.locked,
  })
}
