/** Bridge and VLAN of the first card. The rest of the card stays: MAC address, firewall, rate, ... Pure. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { propertiesOf, withProperty } from '../../proxmox/property-string.mts'
import type { VmDesign } from '../../registry/entry.mts'
import { type Edit, edited } from './edit.mts'

export function firstCardEdits({ bridge, vlan }: VmDesign['network'], config: VmConfig): Edit[] {
  const before = String(config['net0'] ?? '')
  const present = propertiesOf(before, 'model')
  const tag = vlan === null ? undefined : String(vlan)
  const bridged =
    present.get('bridge') === bridge ? before : withProperty(before || 'virtio', 'bridge', bridge)
  const set = { net0: present.get('tag') === tag ? bridged : withProperty(bridged, 'tag', tag) }
  return [
    ...edited('bridge', [present.get('bridge'), bridge], null, { set }),
    ...edited('VLAN', [present.get('tag'), tag], null, { set }),
  ]
}
