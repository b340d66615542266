import { setTimeout as sleep } from 'node:timers/promises'
import type { ProxmoxClient } from '../../proxmox/client.mts'
import { getGuestAddresses } from '../../proxmox/get-guest-addresses.mts'
import { getVmConfig } from '../../proxmox/get-vm-config.mts'
import type { Entry } from '../../registry/entry.mts'
import { isVmOf } from '../../registry/identity.mts'
import { interrupted, ProxmintError } from '../../run/errors.mts'

/**
 * Compares a running VM with its entry: its name, the entry id in its notes, and the address that its guest agent
 * reports.
 * @param timeoutMs longest wait for the address.
 * @throws ProxmintError with the value that was found.
 */
export async function verifyVm(
  client: ProxmoxClient,
  entry: Entry,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const vm = { node: entry.node!, vmid: entry.vmid }
  const config = await getVmConfig(client, vm)
  if (!isVmOf(entry, config)) {
    throw new ProxmintError(`VM ${entry.vmid} is not ${entry.name}`, {
      facts: { 'its name': String(config['name']) },
      hint: 'somebody changed its name or its notes in Proxmox, or replaced it; compare with `zx scripts/vm.mts show`',
    })
  }
  const found = await waitForAddress(client, vm, { address: entry.address, timeoutMs, signal })
  if (found === undefined) return
  throw new ProxmintError(`${entry.name} does not have the address ${entry.address}`, {
    facts: { 'the guest agent tells': found },
    hint: 'see its console in Proxmox; does its cloud-init take the network from Proxmox? If it only boots slowly: agent_timeout_seconds in config/proxmint.yaml',
  })
}

/** Waits for the address. @returns undefined where the VM has it; otherwise its addresses at the timeout. */
async function waitForAddress(
  client: ProxmoxClient,
  vm: { node: string; vmid: number },
  { address, timeoutMs, signal }: { address: string; timeoutMs: number; signal: AbortSignal },
): Promise<string | undefined> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const interfaces = await getGuestAddresses(client, vm)
    const addresses = (interfaces ?? []).flatMap(one => one.addresses.map(text => text.split('/')[0]!))
    if (addresses.includes(address)) return undefined
    if (signal.aborted) throw interrupted('verify')
    if (Date.now() > deadline) return interfaces === undefined ? 'nothing' : addresses.join(', ')
    await sleep(1000)
  }
}
