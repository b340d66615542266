import { copyFile, mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Entry } from '../../registry/entry.mts'
import { messageOf } from '../../run/errors.mts'
import { ifThere } from '../../run/if-there.mts'
import { say } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import { UNREADABLE_STATE } from '../../terraform/failure-hint.mts'
import { readLocalState, vmFolder } from '../look/local-state.mts'

/**
 * Goes on to destroy a VM if nothing but its state cannot be read. The state is kept in `broken-states/` of the state
 * folder: the folder of the VM is removed later.
 * @param error failure of Terraform.
 * @throws the failure, if it is another one.
 */
export async function withoutState(
  entry: Entry,
  error: unknown,
  { config }: Pick<Connection, 'config'>,
): Promise<void> {
  if (!UNREADABLE_STATE.test(messageOf(error))) throw error
  say(`warning: the state of ${entry.name} cannot be read: the VM is destroyed without it`)
  await keepState(entry, config.stateDir)
}

/** Moves the state in the folder of a VM to `broken-states/` if it cannot be read, so that a new one takes its place. */
export async function setBrokenStateAside(
  entry: Entry,
  { site, config }: Pick<Connection, 'site' | 'config'>,
): Promise<void> {
  const folder = vmFolder(entry.name)
  const failure = await readLocalState(site, folder).then(
    () => undefined,
    error => error,
  )
  if (failure === undefined) return
  if (!(failure instanceof SyntaxError)) throw failure
  await keepState(entry, config.stateDir)
  await rm(join(folder, 'terraform.tfstate'))
}

async function keepState({ name, id }: Entry, stateDir: string): Promise<void> {
  const kept = join(stateDir, 'broken-states', `${name}-${id}.tfstate`)
  await mkdir(dirname(kept), { recursive: true, mode: 0o700 })
  const copy = copyFile(join(vmFolder(name), 'terraform.tfstate'), kept).then(() => kept)
  if ((await ifThere(copy)) !== undefined) say(`the state is kept as ${kept}`)
}
