/** What is checked of the devices of a VM before anything is reserved. */
import type { ProxmoxClient } from '../../proxmox/client.mts'
import { ProxmoxApiError } from '../../proxmox/errors.mts'
import { getMapping } from '../../proxmox/get-mapping.mts'
import { propertiesOf } from '../../proxmox/property-string.mts'
import type { MappedDevice } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { deviceName } from '../shape/devices.mts'

/** @throws ProxmintError (usage) for a device that is no mapping or two, and for one that is there twice. */
export function requireDevices(name: string, devices: readonly MappedDevice[] = []): void {
  const fault = devices.flatMap((device, index) => faultsOf(device, devices.slice(0, index)))[0]
  if (fault === undefined) return
  throw new ProxmintError(`the devices of ${name} are not possible: ${fault}`, {
    hint: 'correct --device, or `devices` in the fleet file: pci=MAPPING or usb=MAPPING for each',
    exitCode: exitCodes.usage,
  })
}

function faultsOf(device: MappedDevice, before: readonly MappedDevice[]): string[] {
  const { pci, usb, pcie } = device
  if ((pci === undefined) === (usb === undefined)) return ['one names a PCI mapping or a USB mapping']
  const word = deviceName(device)
  return [
    before.some(other => deviceName(other) === word) ? `${word} is there twice` : '',
    usb !== undefined && pcie !== undefined ? `${word} has pcie, which is for PCI devices` : '',
  ].filter(Boolean)
}

/**
 * Nodes that have all devices, by their mappings.
 * @returns undefined where there are no devices: every node has them.
 * @throws ProxmintError (invalid) for a mapping that is not there.
 */
export async function nodesWithDevices(
  client: ProxmoxClient,
  devices: readonly MappedDevice[] = [],
): Promise<Set<string> | undefined> {
  if (devices.length === 0) return undefined
  const all = await Promise.all(devices.map(device => nodesOf(client, device)))
  return new Set([...all[0]!].filter(node => all.every(nodes => nodes.has(node))))
}

async function nodesOf(client: ProxmoxClient, device: MappedDevice): Promise<Set<string>> {
  const [kind, id] =
    device.pci === undefined ? (['usb', device.usb!] as const) : (['pci', device.pci] as const)
  const { map } = await getMapping(client, kind, id).catch(error => {
    throw isMissing(error) ? noMapping(kind, id, error) : error
  })
  return new Set(map.flatMap(entry => propertiesOf(entry, 'node').get('node') ?? []))
}

/** @throws ProxmintError (invalid) if a node lacks one of the devices. */
export async function requireDevicesOn(
  client: ProxmoxClient,
  node: string,
  devices: readonly MappedDevice[] = [],
): Promise<void> {
  for (const device of devices) {
    const nodes = await nodesOf(client, device)
    if (nodes.has(node)) continue
    throw new ProxmintError(`node ${node} has no device of the mapping ${deviceName(device)}`, {
      facts: { 'nodes that have one': [...nodes].sort().join(', ') || 'none' },
      hint: 'name one of them: --node NODE, or --node auto; or add the node in Datacenter > Resource Mappings',
      exitCode: exitCodes.invalid,
    })
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof ProxmoxApiError && /not found|does not exist/.test(error.reason)
}

function noMapping(kind: 'pci' | 'usb', id: string, cause: unknown): ProxmintError {
  return new ProxmintError(`there is no resource mapping ${id} of ${kind.toUpperCase()} devices`, {
    hint: `add it in Proxmox, Datacenter > Resource Mappings; or name another one: pvesh get /cluster/mapping/${kind}`,
    cause,
    exitCode: exitCodes.invalid,
  })
}
