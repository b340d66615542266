/** Keeps what an older registry calls half-made: after a restore of a backup, the VM may have run since. */
import type { Entry } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import type { Connection } from '../../site/connect.mts'
import { type LocatedVm, lookAtVm } from './locate.mts'

/**
 * Checks before a VM is made, or removed without a question, that nobody uses it. A VM whose entry is only reserved is
 * powered off, or not there. If it runs, the registry is older than the VM: a backup was restored. The same holds if it
 * starts with its node: that is set by its first boot. A VM that was suspended since cannot be told from a half-made one.
 * @throws ProxmintError (invalid) if it runs, or ran.
 */
export function requireUnused(
  { name, phase, replaces }: Pick<Entry, 'name' | 'phase' | 'replaces'>,
  vm: LocatedVm | undefined,
): void {
  if (phase !== 'reserved' || replaces !== undefined || vm === undefined) return
  const isRunning = vm.status === 'running'
  if (!isRunning && vm.startsWithNode !== true) return
  const what = isRunning ? 'runs' : 'is off, and starts with its node, so that it ran before'
  throw new ProxmintError(
    `VM ${vm.vmid} ${what}, and the registry has ${name} as reserved; it is left as it is`,
    {
      hint:
        'the registry is older than the VM: restore a newer backup (zx scripts/registry.mts restore FILE --replace); or, if ' +
        `all that is on the VM may be lost: zx scripts/vm.mts destroy ${name}`,
      exitCode: exitCodes.invalid,
    },
  )
}

/** Looks at the VM of an entry first. A VM of somebody else's is not judged here. @throws ProxmintError as `requireUnused`. */
export async function requireNobodyUses(entry: Entry, connection: Connection): Promise<void> {
  const { vm, isForeign } = await lookAtVm(connection, entry)
  if (!isForeign) requireUnused(entry, vm)
}
