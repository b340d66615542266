/** Takes up VMs that proxmint did not make, by their VMIDs. Terraform has no part in it. */
import { randomUUID } from 'node:crypto'
import { digestOf } from '../../proxmox/get-vm-config.mts'
import { listVms, type VmSummary } from '../../proxmox/list-vms.mts'
import { updateVmConfig } from '../../proxmox/update-vm-config.mts'
import type { Entry } from '../../registry/entry.mts'
import { isMarked, withForeignMark } from '../../registry/identity.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { lookAtVm, requireOwnVm } from '../look/locate.mts'
import { planForeignAdoption } from '../plan/adopt-foreign.mts'
import { type Adopted, type AdoptRequest, lookAtSiteVm } from './adopt.mts'

/**
 * Adopts VMs by their VMIDs. First their entries are written, all or none; then each VM gets the mark of its entry at the
 * end of its notes, and is not changed otherwise. A run that died in between is finished by the same command.
 * @throws ProxmintError (usage) for a VMID that no VM has, or that another entry has.
 */
export async function adoptForeignVms(
  vmids: number[],
  request: Pick<AdoptRequest, 'wishes' | 'apply'>,
  context: VmContext,
): Promise<Adopted[]> {
  const { store, connection } = context
  const { client, site } = connection
  const [entries, vms, pools] = await Promise.all([store.list(), listVms(client), site.pools()])
  const planned: Adopted[] = []
  for (const vmid of vmids) {
    const known = entries.find(entry => entry.vmid === vmid)
    if (known !== undefined) {
      planned.push(adoptionOf(requireForeign(known)))
      continue
    }
    const seen = await lookAtSiteVm(requireVm(vms, vmid), connection)
    const now = new Date()
    const { entry, faults } = planForeignAdoption(seen, {
      wishes: request.wishes,
      pools,
      id: randomUUID(),
      now,
    })
    const name = String(seen.config['name'] ?? vmid)
    planned.push({ name, vmid, entry, faults, assumed: [], did: entry === undefined ? 'refused' : 'planned' })
  }
  if (!request.apply) return planned
  const added = planned.flatMap(({ entry }) => entry ?? []).filter(one => !entries.includes(one))
  if (added.length > 0) await store.add(added, [])
  checkpoint('vm-adopted')
  for (const one of planned) if (one.entry !== undefined) await mark(one.entry.name, context)
  return planned.map(one => (one.entry === undefined ? one : { ...one, did: 'adopted' }))
}

function adoptionOf(entry: Entry): Adopted {
  return { name: entry.name, vmid: entry.vmid, entry, faults: [], assumed: [], did: 'planned' }
}

/** Writes the mark at the end of the notes, where it is not there yet. What somebody wrote stays. */
function mark(name: string, unlocked: VmContext): Promise<void> {
  return withVmLock(unlocked, name, 'vm adopt', async ({ connection, store }) => {
    const entry = (await store.find(name))!
    const { vm, config } = await lookAtVm(connection, entry)
    if (vm === undefined || config === undefined) throw gone(entry)
    if (!isMarked(entry, config)) {
      requireOwnVm(entry, { vm, config, isForeign: false, differences: nameOnly(entry, config) })
      const description = withForeignMark(entry, String(config['description'] ?? ''))
      await updateVmConfig(connection.client, vm, { description, ...digestOf(config) })
    }
    checkpoint('vm-adopted-marked')
  })
}

/** Another VM may have the VMID by now. */
function nameOnly({ name }: Entry, config: Record<string, string | number>): string[] {
  return config['name'] === name ? [] : [`its name is ${config['name'] ?? 'not set'}`]
}

/** @throws ProxmintError (usage) for an entry of a VM that proxmint made. */
function requireForeign(entry: Entry): Entry {
  if (entry.foreign) return entry
  throw new ProxmintError(`VM ${entry.vmid} is ${entry.name} of the registry, and proxmint made it`, {
    hint: `nothing was changed; to read its state alone: zx scripts/vm.mts adopt ${entry.name} --apply`,
    exitCode: exitCodes.usage,
  })
}

function requireVm(vms: VmSummary[], vmid: number): VmSummary {
  const vm = vms.find(one => one.vmid === vmid)
  if (vm !== undefined) return vm
  throw new ProxmintError(`there is no VM ${vmid} in Proxmox, or the API token may not see it`, {
    hint: 'nothing was changed; containers cannot be adopted. What the token lacks: zx scripts/check-permissions.mts',
    exitCode: exitCodes.usage,
  })
}

function gone({ name, vmid }: Entry): ProxmintError {
  return new ProxmintError(`VM ${vmid} of ${name} is gone since it was looked at`, {
    hint: `take the entry out again: zx scripts/vm.mts destroy ${name} --yes`,
  })
}
