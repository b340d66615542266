import { parseAddress } from '../config/addresses.mts'
import { type Entry, isVmName } from './entry.mts'

/** Why these entries cannot all be added: no two living ones may share a name, a VMID or an address. */
export function conflictsOf(living: Entry[], added: Entry[]): string[] {
  const seen = { vmid: new Map<number, string>(), address: new Map<string, string>() }
  const names = new Set<string>()
  const remember = ({ name, vmid, address }: Entry): void => {
    names.add(name)
    seen.vmid.set(vmid, name)
    seen.address.set(address, name)
  }
  living.forEach(remember)
  return added.flatMap(entry => {
    const { name, vmid, address } = entry
    const sameVmid = seen.vmid.get(vmid)
    const sameAddress = seen.address.get(address)
    const conflicts = [
      ...(isVmName(name) ? [] : [`"${name}" is no name for a VM`]),
      ...(parseAddress(address) === undefined ? [`${name}: "${address}" is no address`] : []),
      ...(names.has(name) ? [`${name}: the name is there twice`] : []),
      ...(sameVmid === undefined ? [] : [`${name}: VMID ${vmid} is also the one of ${sameVmid}`]),
      ...(sameAddress === undefined
        ? []
        : [`${name}: the address ${address} is also the one of ${sameAddress}`]),
    ]
    remember(entry)
    return conflicts
  })
}
