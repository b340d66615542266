import { shutdownVm } from '../../proxmox/shutdown-vm.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import { isExpired } from '../../registry/due.mts'
import { advance, type Entry } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import type { VmContext } from '../context.mts'
import { locateVm } from '../look/locate.mts'
import { extended, tellExpiry } from './expiry.mts'
import { noteFailure } from './failure.mts'
import { shutdownSeconds, waitForShutdown } from './guest-shutdown.mts'
import { withVmLock } from './lock.mts'
import { bootVm, resumable } from './steps.mts'

/**
 * Powers an active VM off. The phase is written first: whoever dies in between leaves a suspended entry whose VM
 * runs, and the next `gc` stops it. The caller holds the VM's lock.
 */
export async function suspendVm(entry: Entry, context: VmContext): Promise<Entry> {
  const { store } = context
  await locateVm(context.connection, entry)
  const suspended = await store.change(entry.name, one => advance(one, 'suspended', new Date()))
  checkpoint('vm-suspended')
  await powerOff(suspended, context)
  return suspended
}

/** Powers the VM of a suspended entry off, and keeps a restart of its node from waking it. */
export async function powerOff(entry: Entry, { store, connection }: VmContext): Promise<void> {
  const { client } = connection
  try {
    const vm = await locateVm(connection, entry)
    if (vm === undefined) return
    await updateVmConfig(client, vm, { onboot: 0 })
    if (vm.status === 'stopped') return
    const upid = await shutdownVm(client, vm, shutdownSeconds)
    await waitForShutdown(connection, upid)
    checkpoint('vm-stopped')
  } catch (error) {
    await noteFailure(store, entry, 'suspend', error)
    throw error
  }
}

/**
 * Boots a suspended VM again.
 * @param days by how many it is extended first; undefined: it must not be expired any more.
 */
export async function resumeVm(name: string, days: number | undefined, unlocked: VmContext): Promise<Entry> {
  return withVmLock(unlocked, name, 'vm resume', async context => {
    const { store, issuer } = context
    const found = await requireEntry(store, name)
    if (found.phase !== 'suspended') throw notSuspended(found)
    const entry =
      days === undefined ? found : await store.change(name, one => extended(one, days, new Date()))
    if (isExpired(entry, new Date())) throw expired(entry)
    try {
      await bootVm(entry, context)
    } catch (error) {
      throw resumable(await noteFailure(store, entry, 'resume', error), error)
    }
    const active = await store.change(name, one => advance(one, 'active', new Date()))
    if (days !== undefined) await tellExpiry(active, issuer)
    return active
  })
}

function notSuspended({ name, phase }: Entry): ProxmintError {
  return new ProxmintError(`${name} is ${phase}, not suspended`, {
    hint: `zx scripts/vm.mts show ${name}`,
    exitCode: exitCodes.usage,
  })
}

function expired({ name, expiresAt }: Entry): ProxmintError {
  return new ProxmintError(`${name} expired on ${expiresAt.slice(0, 10)}: gc would suspend it again`, {
    hint: `zx scripts/vm.mts resume ${name} --days N`,
    exitCode: exitCodes.usage,
  })
}
