/** Expiry of VMs: extends, suspends and resumes them. */
import { expiryAfter, expiryDay, expiryMs, isExpired } from '../../registry/due.mts'
import { advance, type Entry, notStopped, withEvent } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { counted } from '../../run/counted.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { requireClock } from '../../site/require-clock.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { requireNoBarrier, requireRestored } from '../look/barriers.mts'
import { locateVm } from '../look/locate.mts'
import { continueRebuild } from './continue-rebuild.mts'
import { noteFailure, notingFailure, resumable } from './failure.mts'
import { resumeGuest, shutDown } from './power.mts'
import { setTokenExpiry } from './token.mts'

/**
 * Extends an entry from its expiry on, or from now if it has passed or never was: otherwise the VM could be expired again
 * at once.
 * @param days infinite: the VM never expires.
 */
export function extended(entry: Entry, days: number, now: Date): Entry {
  const before = expiryMs(entry)
  const from = Number.isFinite(before) ? Math.max(before, now.getTime()) : now.getTime()
  const what = Number.isFinite(days) ? `extended by ${counted(days, 'day')}` : 'extended: it never expires'
  return withEvent({ ...entry, expiresAt: expiryAfter(from, days) }, what, now)
}

/**
 * Extends a VM in the registry first and then on the chain. Proxmox is not asked.
 * @throws ProxmintError where the chain cannot be written; the VM is extended all the same.
 */
export async function extendVm(
  name: string,
  days: number,
  unlocked: Pick<VmContext, 'store' | 'issuer'>,
): Promise<Entry> {
  // Under its lock: a renewal comes before `gc` looks at the VM, or after it.
  return withVmLock(unlocked, name, 'vm extend', async ({ store, issuer }) => {
    const found = await requireEntry(store, name)
    const entry = await store.change(found, one => extended(one, days, new Date()))
    await setTokenExpiry(entry, issuer)
    return entry
  })
}

/**
 * Powers an active VM off. The phase is written first: a run that dies in between leaves a suspended entry whose VM
 * runs, and the next `gc` stops it. Then the VM is looked at again: somebody may have replaced it meanwhile. The caller
 * holds the VM's lock.
 * @throws ProxmintError as `requireNoBarrier`; the VM stays active then.
 */
export async function suspendVm(entry: Entry, { store, connection }: VmContext): Promise<Entry> {
  const locate = () => locateVm(connection, entry)
  const found = await notingFailure(store, entry, 'suspend', async () => {
    const vm = await locate()
    requireNoBarrier(entry.name, vm)
    return vm
  })
  const suspended = await store.change(entry, one => ({
    ...advance(notStopped(one), 'suspended', new Date()),
    ...startOf(one, found),
  }))
  checkpoint('vm-suspended')
  await notingFailure(store, suspended, 'suspend', async () => shutDown(entry, await locate(), connection))
  return suspended
}

/** How a VM that proxmint did not make starts with its node: it gets that back with `resume`. */
function startOf(
  { foreign, stopped }: Entry,
  vm: Awaited<ReturnType<typeof locateVm>>,
): Pick<Entry, 'stopped'> {
  if (!foreign) return {}
  return { stopped: stopped ?? { startsWithNode: vm?.startsWithNode === true } }
}

/**
 * Boots a suspended VM again. What differs from its entry stays.
 * @param days by how many it is extended first; undefined: it must not be expired any more.
 */
export async function resumeVm(name: string, days: number | undefined, unlocked: VmContext): Promise<Entry> {
  return withVmLock(unlocked, name, 'vm resume', async context => {
    const { store, issuer, connection } = context
    const now = await requireClock(connection)
    const found = await requireEntry(store, name)
    requireRestored(found)
    if (found.phase !== 'suspended') throw notSuspended(found)
    const entry = days === undefined ? found : await store.change(found, one => extended(one, days, now()))
    if (isExpired(entry, now())) throw expired(entry)
    try {
      // Its phase keeps it off, until it has one root disk again.
      await resumeGuest(entry.rebuild === undefined ? entry : await continueRebuild(entry, context), context)
    } catch (error) {
      throw resumable(await noteFailure(store, entry, 'resume', error), error)
    }
    const active = await store.change(entry, one => advance(notStopped(one), 'active', new Date()))
    if (days !== undefined) await setTokenExpiry(active, issuer)
    return active
  })
}

function notSuspended({ name, phase }: Entry): ProxmintError {
  return new ProxmintError(`${name} is ${phase}, not suspended`, {
    hint: `zx scripts/vm.mts show ${name}`,
    exitCode: exitCodes.usage,
  })
}

function expired(entry: Entry): ProxmintError {
  const { name } = entry
  return new ProxmintError(`${name} expired on ${expiryDay(entry)}: gc would suspend it again`, {
    hint: `zx scripts/vm.mts resume ${name} --days N`,
    exitCode: exitCodes.usage,
  })
}
