/** `vm rebuild`: another system under the same VM, and the way back. */
import { designAtRebuild, type Entry, movedTo } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import { lockfilePath, readLockfile } from '../../templates/lockfile.mts'
import type { Families, TemplateVersion } from '../../templates/version.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { requireRestored } from '../look/barriers.mts'
import { requireWebPackage } from '../plan/access.mts'
import { copyFor, currentVersion } from '../plan/design.mts'
import { keysOfToday, requireLogin, sayOwnKey, withSshKeys } from '../plan/logins.mts'
import { diskOfTemplate, requireClonable, requirePrivileges } from '../plan/requirements.mts'
import { decideRebuild } from '../rebuild/decide.mts'
import { requireNotSuspended } from '../rebuild/refusals.mts'
import { decideUndo } from '../rebuild/undo.mts'
import { requireDesign } from '../stack/folder.mts'
import { type Applied, finishVm } from './apply.mts'
import { resumable } from './failure.mts'

interface RebuildOptions {
  noLogin: boolean
  /** Swaps back by itself where the VM is not well with its new system. */
  undoOnFailure: boolean
}

/**
 * Gives a VM a root disk of the current version of its template family, or goes on with that where it stopped. All else of
 * the VM stays, and so does its former root disk, as an unused one.
 * @throws ProxmintError where the VM may not be rebuilt, with nothing touched; later, with what is kept.
 */
export async function rebuildVm(
  name: string,
  { noLogin, undoOnFailure }: RebuildOptions,
  unlocked: VmContext,
): Promise<Applied> {
  return withVmLock(unlocked, name, 'vm rebuild', async context => {
    const entry = await requireEntry(context.store, name)
    if (entry.rebuild === undefined) {
      // Read anew: a person may have been asked meanwhile, and a version may have been revoked.
      const version = versionFor(entry, await readLockfile(lockfilePath()))
      if (version !== undefined) await decide(entry, version, noLogin, context)
    }
    return finishVm(
      name,
      context,
      undoOnFailure ? (one, error) => swappedBack(one, error, context) : resumable,
    )
  })
}

/** Gives a VM the root disk back that it had before its rebuild. @throws ProxmintError as `rebuildVm`. */
export async function undoRebuild(name: string, unlocked: VmContext): Promise<Applied> {
  return withVmLock(unlocked, name, 'vm rebuild --undo', async context => {
    await decideUndo(await requireEntry(context.store, name), context)
    // It ran before: neither its host key nor its logins are new.
    return { ...(await finishVm(name, context, resumable)), did: 'changed' }
  })
}

/** The version a rebuild would move the VM to; undefined where it is on that already, and no other user-data waits. */
export function versionFor(entry: Entry, families: Families): TemplateVersion | undefined {
  const { atRebuild } = requireDesign(entry)
  requireRestored(entry)
  if (entry.template === null) throw familyUnknown(entry)
  requireNotSuspended(entry)
  if (entry.stopped !== undefined) throw stoppedBefore(entry)
  const current = currentVersion(families, entry.template.family)
  return current.name === entry.template.version && atRebuild === undefined ? undefined : current
}

async function decide(
  entry: Entry,
  version: TemplateVersion,
  noLogin: boolean,
  context: VmContext,
): Promise<void> {
  if (entry.phase === 'reserved') await decideOtherVersion(entry, version, noLogin, context)
  else await decideRebuild(entry, version, noLogin, context)
}

/** A VM that is only reserved is made from the other version. */
async function decideOtherVersion(
  entry: Entry,
  version: TemplateVersion,
  noLogin: boolean,
  { store, connection }: VmContext,
): Promise<void> {
  const { name, node } = entry
  const template = copyFor(version, node!)
  const before = designAtRebuild(requireDesign(entry))
  const kept = {
    ...before,
    template: { vmid: template.vmid, node: template.node },
    ...(noLogin && { noLogin }),
  }
  const { keys, file } = await keysOfToday(kept, connection.site)
  if (file !== undefined) sayOwnKey([name], file)
  const design = withSshKeys(kept, keys)
  if (design.access !== null) {
    await requireWebPackage({ family: entry.template!.family, version: version.name })
  }
  await requirePrivileges(connection, `vm rebuild ${name}`, node!, design)
  design.disk = Math.max(design.disk, Math.ceil((await diskOfTemplate(connection, template)) ?? 0))
  await requireClonable(connection, template, node!)
  await requireLogin(entry, design, connection.site)
  await store.change(entry, one => movedTo(one, version.name, design, new Date()))
  checkpoint('vm-rebuild-decided')
}

/** Swaps back after a failure. @returns the failure to throw, with what became of the VM. */
async function swappedBack(entry: Entry, cause: unknown, context: VmContext): Promise<unknown> {
  const { name, rebuild } = entry
  const isEnded = context.signal.aborted || !(cause instanceof ProxmintError)
  if (isEnded || cause.exitCode === exitCodes.locked || rebuild?.kind !== 'rebuild')
    return resumable(entry, cause)
  say(`the rebuild of ${name} failed: ${cause.message.split('\n')[0]}; it gets its system of before`)
  await decideUndo(entry, context)
  const { entry: back } = await finishVm(name, context, resumable)
  return new ProxmintError(cause.message, {
    facts: { ...cause.facts, 'swapped back': `${name} has ${back.template?.version ?? rebuild.from} again` },
    hint: cause.hint,
    cause,
    exitCode: cause.exitCode,
  })
}

function familyUnknown({ name }: Entry): ProxmintError {
  return new ProxmintError(`nobody knows of which template family ${name} is`, {
    hint:
      'it was made with --template-vmid, or adopted without --template. Its disk can stay as it is; a VM of a family is made ' +
      'by `zx scripts/vm.mts create NAME --template FAMILY`',
    exitCode: exitCodes.usage,
  })
}

function stoppedBefore({ name }: Entry): ProxmintError {
  return new ProxmintError(`${name} is stopped, and a rebuild ends with a VM that runs`, {
    hint: `first zx scripts/vm.mts start ${name}`,
    exitCode: exitCodes.usage,
  })
}
