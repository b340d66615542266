/** Completes a state that `import` made: an import reads a VM, and not what its configuration alone says. Pure. */
import { vmAddress } from './vm-configuration.mts'

/** The part of `tofu show -json PLAN` that is read. */
export interface PlannedValues {
  resource_changes?: { address: string; change: { after?: Record<string, unknown> | null } }[]
}

/** State as `state pull` prints it. */
interface StateFile {
  serial: number
  resources: {
    module?: string
    type: string
    name: string
    instances: { index_key?: number; attributes: Record<string, unknown> }[]
  }[]
}

/** Blocks of which the configuration names one: the state is to have that one alone, not what somebody added. */
const MANAGED: Record<string, (block: Record<string, unknown>, index: number) => boolean> = {
  disk: ({ interface: slot }) => slot === 'scsi0',
  network_device: (_block, index) => index === 0,
}

/** Attributes that both Proxmox and the configuration have: a difference is shown, not written into the state. */
const COMPARED = new Set([
  ...['name', 'description', 'node_name', 'vm_id', 'tags', 'started', 'on_boot', 'scsi_hardware'],
  ...['cpu', 'memory', 'disk', 'network_device', 'initialization'],
])

/**
 * Returns the state with all that only the configuration can say, from the plan after the import: what it was cloned from,
 * time limits, the content of its user-data. Devices that the configuration does not name leave the state; they stay in
 * Proxmox.
 */
export function completedState(text: string, plan: PlannedValues): string {
  const state = JSON.parse(text) as StateFile
  const wanted = new Map(
    (plan.resource_changes ?? []).map(({ address, change }) => [address, change.after ?? {}]),
  )
  const resources = state.resources.map(resource => ({
    ...resource,
    instances: resource.instances.map(instance => {
      const address = addressOf(resource, instance.index_key)
      const attributes = completed(instance.attributes, wanted.get(address) ?? {}, address === vmAddress)
      return { ...instance, attributes }
    }),
  }))
  return JSON.stringify({ ...state, serial: state.serial + 1, resources })
}

function addressOf(
  { module, type, name }: StateFile['resources'][number],
  index: number | undefined,
): string {
  const path = [module, type, name].filter(Boolean).join('.')
  return index === undefined ? path : `${path}[${index}]`
}

function completed(
  found: Record<string, unknown>,
  wanted: Record<string, unknown>,
  isVm: boolean,
): Record<string, unknown> {
  const isFormal = (key: string): boolean => !isVm || !COMPARED.has(key) || isEmpty(wanted[key])
  const formal = Object.entries(wanted).filter(([key]) => isFormal(key))
  const own = { ...found, ...Object.fromEntries(formal) }
  if (!isVm) return own
  const blocks = Object.entries(MANAGED).map(([key, isManaged]) => [
    key,
    Array.isArray(own[key]) ? own[key].filter(isManaged) : own[key],
  ])
  return { ...own, ...Object.fromEntries(blocks) }
}

/** A block that the configuration does not have, such as the cloud-init drive of a VM with a seed ISO. */
function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}
