import { setTimeout as sleep } from 'node:timers/promises'
import type { ProxmoxClient } from '../../proxmox/client.mts'
import { getGuestAddresses } from '../../proxmox/get-guest-addresses.mts'
import { getVmConfig } from '../../proxmox/get-vm-config.mts'
import type { Entry } from '../../registry/entry.mts'
import { isVmOf } from '../../registry/identity.mts'
import { interrupted, ProxmintError } from '../../run/errors.mts'

/**
 * Compares a running VM with its entry: its name, the entry id in its notes, and the addresses that its guest agent
 * reports.
 * @param timeoutMs longest wait for the addresses.
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
  const wanted = addressesToHave(entry)
  const found = await waitForAddresses(client, vm, { wanted, timeoutMs, signal })
  if (found === undefined) return
  const missing = wanted.filter(address => !found.includes(address)).join(' and ')
  throw new ProxmintError(`${entry.name} does not have the address ${missing}`, {
    facts: { 'the guest agent tells': found.length === 0 ? 'nothing' : found.join(', ') },
    hint: 'see its console in Proxmox; does its cloud-init take the network from Proxmox? If it only boots slowly: agent_timeout_seconds in config/proxmint.yaml',
  })
}

/** The addresses that the registry gave the VM, without those that it gives up. */
function addressesToHave({ address, addresses = [] }: Entry): string[] {
  return [address, ...addresses.filter(({ leaving }) => !leaving).map(one => one.address)]
}

/** Waits for all addresses. @returns undefined where the VM has them; otherwise those that it has at the timeout. */
async function waitForAddresses(
  client: ProxmoxClient,
  vm: { node: string; vmid: number },
  { wanted, timeoutMs, signal }: { wanted: string[]; timeoutMs: number; signal: AbortSignal },
): Promise<string[] | undefined> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const interfaces = await getGuestAddresses(client, vm)
    const addresses = (interfaces ?? []).flatMap(one => one.addresses.map(text => text.split('/')[0]!))
    if (wanted.every(address => addresses.includes(address))) return undefined
    if (signal.aborted) throw interrupted('verify')
    if (Date.now() > deadline) return addresses
    await sleep(1000)
  }
}
