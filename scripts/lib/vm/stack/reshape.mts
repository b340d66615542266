/** Makes edits of a VM's config, and what they need to take effect. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { ProxmoxClient } from '../../proxmox/client.mts'
import { digestOf, getVmConfig, type VmConfig } from '../../proxmox/get-vm-config.mts'
import { getVmStatus } from '../../proxmox/get-vm-status.mts'
import { rebootVm } from '../../proxmox/reboot-vm.mts'
import { resizeDisk } from '../../proxmox/resize-disk.mts'
import { shutdownVm } from '../../proxmox/shutdown-vm.mts'
import { startVm } from '../../proxmox/start-vm.mts'
import { waitForTask } from '../../proxmox/task.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import type { VmRef } from '../../proxmox/vm-ref.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import type { Edit } from '../shape/edit.mts'
import { alignIpSet } from './ip-filters.mts'

/** A guest has this long to shut down. */
export const SHUTDOWN_SECONDS = 120

interface Reshaping {
  /** As it was read: Proxmox refuses if somebody changed it since. */
  config: VmConfig
  /** Whether the VM runs: then a change that costs a reboot reboots it. */
  runs: boolean
  /** For each task of Proxmox. */
  timeoutMs: number
}

/**
 * Makes the edits in one change of the config, then grows disks and aligns the firewall, then reboots the VM where one of them
 * needs that. For those that a running machine must not see, it powers the VM off before, and on afterwards.
 */
export async function reshape(
  client: ProxmoxClient,
  vm: VmRef,
  edits: readonly Edit[],
  reshaping: Reshaping,
): Promise<void> {
  const { runs, timeoutMs } = reshaping
  const wait = { timeoutMs: SHUTDOWN_SECONDS * 1000 + timeoutMs }
  if (runs && edits.some(({ off }) => off)) {
    await requireUnmanaged(client, vm)
    const upid = await shutdownVm(client, vm, { seconds: SHUTDOWN_SECONDS, hard: false })
    await waitForTask(client, upid, wait)
    await requireOff(client, vm)
    checkpoint('vm-off-to-reshape')
    const config = await configOff(client, vm, reshaping.config)
    await makeEdits(client, vm, edits, { ...reshaping, config }).finally(async () =>
      waitForTask(client, await startVm(client, vm), wait),
    )
    return
  }
  await makeEdits(client, vm, edits, reshaping)
  if (!runs || !edits.some(({ change }) => change.cost === 'reboot')) return
  await waitForTask(client, await rebootVm(client, vm, SHUTDOWN_SECONDS), wait)
}

/**
 * The config of a VM that was just powered off. What waited for that is in force now, and the digest is another one; if anything
 * else is, the former digest lets Proxmox refuse the change.
 */
async function configOff(client: ProxmoxClient, vm: VmRef, before: VmConfig): Promise<VmConfig> {
  const now = await getVmConfig(client, vm)
  const isSame = isDeepStrictEqual({ ...now, digest: '' }, { ...before, digest: '' })
  return isSame ? now : before
}

/** High availability cuts the power of a slow guest, and starts a VM that is off. @throws ProxmintError (invalid) */
async function requireUnmanaged(client: ProxmoxClient, vm: VmRef): Promise<void> {
  const { ha } = await getVmStatus(client, vm)
  if (Number(ha?.managed ?? 0) !== 1) return
  throw new ProxmintError(
    `high availability manages VM ${vm.vmid}, and would cut the power of a guest that takes longer than ${SHUTDOWN_SECONDS} s`,
    {
      hint:
        'its config is as it was; the change needs the VM off: zx scripts/vm.mts stop NAME --hard agrees to that, then run the ' +
        'command again, and zx scripts/vm.mts start NAME',
      exitCode: exitCodes.invalid,
    },
  )
}

/** A task may end before the VM is off. @throws ProxmintError if it runs on. */
async function requireOff(client: ProxmoxClient, vm: VmRef): Promise<void> {
  const deadline = Date.now() + SHUTDOWN_SECONDS * 1000
  while ((await getVmStatus(client, vm)).status === 'running') {
    if (Date.now() > deadline) throw runsOn(vm)
    await sleep(1000)
  }
}

function runsOn({ vmid }: VmRef): ProxmintError {
  return new ProxmintError(`VM ${vmid} did not power off within ${SHUTDOWN_SECONDS} s`, {
    hint: 'nothing of its config was changed; power it off in its guest, and run the command again',
  })
}

async function makeEdits(
  client: ProxmoxClient,
  vm: VmRef,
  edits: readonly Edit[],
  { config, timeoutMs }: Reshaping,
): Promise<void> {
  const parameters = parametersOf(edits)
  if (parameters !== undefined) await updateVmConfig(client, vm, { ...parameters, ...digestOf(config) })
  checkpoint('vm-reshaped')
  for (const { grow } of edits) {
    if (grow === undefined) continue
    // A config that was just changed has another digest.
    const read = parameters === undefined ? digestOf(config).digest : undefined
    const upid = await resizeDisk(client, vm, grow.slot, `${grow.gib}G`, read)
    if (upid !== null) await waitForTask(client, upid, { timeoutMs })
  }
  for (const { ipSet } of edits) if (ipSet !== undefined) await alignIpSet(client, vm, ipSet)
}

function parametersOf(edits: readonly Edit[]): Record<string, string | number> | undefined {
  const set = Object.assign({}, ...edits.map(edit => edit.set ?? {}))
  const remove = edits.flatMap(edit => edit.remove ?? [])
  const parameters = { ...set, ...(remove.length > 0 && { delete: remove.join(',') }) }
  return Object.keys(parameters).length === 0 ? undefined : parameters
}
