/** What a new VM has of its VM template and nobody reads. Pure. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import type { VmDesign } from '../../registry/entry.mts'
import type { Edit } from './edit.mts'

/**
 * Takes the addresses of Proxmox's own cloud-init out of a new VM whose seed ISO has the network. An import of the state
 * would read them as a cloud-init drive, and a later plan would remove it.
 */
export function inheritedEdits({ cloudInit }: Pick<VmDesign, 'cloudInit'>, config: VmConfig): Edit[] {
  const keys = Object.keys(config).filter(key => /^ipconfig\d+$/.test(key))
  if (cloudInit.delivery !== 'iso' || keys.length === 0) return []
  return [
    { change: { what: 'address', from: String(config[keys[0]!]), to: 'none', cost: null }, remove: keys },
  ]
}
