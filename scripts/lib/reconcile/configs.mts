/** Compares the config of each VM with its entry: identity, what proxmint manages, and what somebody added. */
import type { ProxmoxClient } from '../proxmox/client.mts'
import { getVmConfig, type VmConfig } from '../proxmox/get-vm-config.mts'
import type { VmSummary } from '../proxmox/list-vms.mts'
import type { Divergence } from '../registry/divergence.mts'
import type { Entry } from '../registry/entry.mts'
import { isMarked } from '../registry/identity.mts'
import { messageOf } from '../run/errors.mts'
import { createSlots } from '../run/slots.mts'
import { differenceText, driftOf } from '../vm/look/drift.mts'
import { knownPartsOf, partNames, partsOf } from '../vm/look/parts.mts'

/** Requests at the same time. */
const AT_ONCE = 8

/** What the config of a VM shows. */
interface ConfigFindings {
  findings: Divergence[]
  /** What somebody added, for people: it is no difference, and stays. Undefined: nothing. */
  added: string | undefined
}

/** Asks Proxmox for the config of each VM that was made, one request per VM. */
export async function compareConfigs(
  client: ProxmoxClient,
  entries: Entry[],
  vms: VmSummary[],
): Promise<ConfigFindings[]> {
  const seen = new Map(vms.map(vm => [vm.vmid, vm]))
  const slots = createSlots(() => AT_ONCE)
  const looks = entries.flatMap(entry => {
    const vm = seen.get(entry.vmid)
    // A VM that is being made or rebuilt is not compared; one of another name is reported without its config.
    if (vm === undefined || vm.name !== entry.name || entry.phase === 'reserved') return []
    return [slots.use(['proxmox'], () => compareConfig(client, entry, vm))]
  })
  return Promise.all(looks)
}

async function compareConfig(
  client: ProxmoxClient,
  entry: Entry,
  { node, vmid }: VmSummary,
): Promise<ConfigFindings> {
  try {
    return configFindings(entry, await getVmConfig(client, { node, vmid }))
  } catch (error) {
    const what = `the config of VM ${vmid} cannot be read: ${messageOf(error)}`
    return { findings: [found(entry.name, what, 'zx scripts/check-permissions.mts')], added: undefined }
  }
}

/** Compares one VM. Pure. */
export function configFindings(entry: Entry, config: VmConfig): ConfigFindings {
  const { name, vmid, design } = entry
  const show = `zx scripts/vm.mts show ${name}`
  if (!isMarked(entry, config)) {
    const what = `VM ${vmid} has its name, and is another VM: its notes lack the id of the entry`
    return { findings: [found(name, what, show)], added: undefined }
  }
  const apply = `zx scripts/apply.mts ${name} --plan-only shows what it costs to put that back`
  const drift = driftOf(entry, config).map(one => found(name, differenceText(one), apply))
  if (design === null) return { findings: drift, added: undefined }
  const { foreignDisks, foreignDevices } = partsOf(config, knownPartsOf(entry))
  const added = partNames([...foreignDisks, ...foreignDevices])
  return { findings: drift, added: added === '' ? undefined : `${name}: somebody added ${added}; it stays` }
}

function found(name: string, what: string, hint: string): Divergence {
  return { name, what, hint, fix: undefined }
}
