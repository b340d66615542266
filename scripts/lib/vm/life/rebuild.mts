import { designAtRebuild, type Entry, movedTo } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import { lockfilePath, readLockfile } from '../../templates/lockfile.mts'
import type { Families, TemplateVersion } from '../../templates/version.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { requireNoBarrier, requireRestored } from '../look/barriers.mts'
import { followVm, recordNode } from '../look/locate.mts'
import { requireNoLoss } from '../look/losses.mts'
import { requireWebPackage } from '../plan/access.mts'
import { copyFor, currentVersion } from '../plan/design.mts'
import { keysOfToday, requireLogin, sayOwnKey, withSshKeys } from '../plan/logins.mts'
import { diskOfTemplate, requireClonable, requirePrivileges } from '../plan/requirements.mts'
import { requireDesign } from '../stack/folder.mts'
import { recordSize } from '../stack/record-size.mts'
import { type Applied, finishVm } from './apply.mts'
import { resumable } from './failure.mts'

/**
 * Makes a VM anew from the current version of its template family, or goes on with that where it stopped. Name, VMID,
 * address, expiry and credential stay; its disk is lost.
 * @throws ProxmintError where the VM may not be rebuilt, with nothing touched; later, with what is kept.
 */
export async function rebuildVm(
  name: string,
  { noLogin }: { noLogin: boolean },
  unlocked: VmContext,
): Promise<Applied> {
  return withVmLock(unlocked, name, 'vm rebuild', async context => {
    const entry = await requireEntry(context.store, name)
    // Read anew: a person may have been asked meanwhile, and a version may have been revoked.
    const version = versionFor(entry, await readLockfile(lockfilePath()))
    if (version !== undefined) await decide(entry, version, noLogin, context)
    return finishVm(name, context, resumable)
  })
}

/** The version a rebuild would move the VM to; undefined where it is on that already, and no other user-data waits. */
export function versionFor(entry: Entry, families: Families): TemplateVersion | undefined {
  const { atRebuild } = requireDesign(entry)
  requireRestored(entry)
  if (entry.template === null) throw familyUnknown(entry)
  if (entry.phase === 'suspended') throw suspended(entry)
  if (entry.stopped !== undefined) throw stoppedBefore(entry)
  const current = currentVersion(families, entry.template.family)
  return current.name === entry.template.version && atRebuild === undefined ? undefined : current
}

/** All that can be looked at is looked at before the disk is lost. Then it is written down, and there is no way back. */
async function decide(
  found: Entry,
  version: TemplateVersion,
  noLogin: boolean,
  context: VmContext,
): Promise<void> {
  const { store, connection } = context
  const { name } = found
  const { vm, config, entry: located } = await followVm(connection, found)
  requireNoBarrier(name, vm)
  if (vm !== undefined && config !== undefined) {
    const agreement = { allowed: context.allowed ?? new Set(), again: `zx scripts/vm.mts rebuild ${name}` }
    await requireNoLoss(connection.client, found, { vm, config }, agreement, ['remove', 'data-loss'])
  }
  const entry = config === undefined ? located : await recordSize(located, config, store)
  const template = copyFor(version, entry.node!)
  const before = designAtRebuild(requireDesign(entry))
  const cpuType = before.cpuType ?? (await connection.site.vmDefaults()).cpuType
  const kept = {
    ...before,
    cpuType,
    template: { vmid: template.vmid, node: template.node },
    ...(noLogin && { noLogin }),
  }
  const { keys, file } = await keysOfToday(kept, connection.site)
  if (file !== undefined) sayOwnKey([name], file)
  const design = withSshKeys(kept, keys)
  if (design.access !== null) {
    await requireWebPackage({ family: entry.template!.family, version: version.name })
  }
  await requirePrivileges(connection, `vm rebuild ${name}`, entry.node!, design)
  const needed = Math.ceil((await diskOfTemplate(connection, template)) ?? 0)
  if (needed > design.disk) {
    say(`the disk of ${name} grows from ${design.disk} to ${needed} GiB, as large as that of the VM template`)
    design.disk = needed
  }
  await requireClonable(connection, template, entry.node!)
  await requireLogin(entry, design, connection.site)
  await recordNode(found, vm, store)
  await store.change(found, one => movedTo(one, version.name, design, new Date()))
  checkpoint('vm-rebuild-decided')
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

function suspended({ name }: Entry): ProxmintError {
  return new ProxmintError(`${name} is suspended, and its disk is kept for its owner`, {
    hint: `first zx scripts/vm.mts resume ${name} --days N, or zx scripts/vm.mts destroy ${name}`,
    exitCode: exitCodes.usage,
  })
}
