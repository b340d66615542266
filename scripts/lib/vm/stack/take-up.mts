/** Takes the state of a VM up again by import: it was made elsewhere, or its state is lost. */
import { listVolumes } from '../../proxmox/list-volumes.mts'
import { type Entry, isToRun } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import type { Connection } from '../../site/connect.mts'
import { COSTS } from '../../terraform/costs.mts'
import { type VmSettings, vmAddress } from '../../terraform/vm-configuration.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { followVm } from '../look/locate.mts'
import { setBrokenStateAside } from './broken-state.mts'
import { requireDesign, userDataVolume, writeVmFolder } from './folder.mts'
import { asOthersLeftIt } from './keep.mts'
import { type VmTerraform, withTerraform } from './terraform-run.mts'

/**
 * Writes the folder of a VM, and reads the VM and its user-data into the state, if the state does not have the VM, or if
 * the VM could only be replaced by it. Nothing in Proxmox changes.
 * @returns the plan for a person; undefined if nothing differs.
 * @throws ProxmintError if the VM is missing or somebody else's, or if a later `apply` would do it harm; the state is
 *   empty then.
 */
export async function takeUpState(name: string, unlocked: VmContext): Promise<string | undefined> {
  return withVmLock(unlocked, name, 'vm adopt', context => takeUp(name, context))
}

/** Does the work of `takeUpState` for a caller that holds the VM's lock. */
export async function takeUp(
  name: string,
  { connection, store, signal }: VmContext,
): Promise<string | undefined> {
  const { entry, config } = await followVm(connection, await requireEntry(store, name))
  await setBrokenStateAside(entry, connection)
  const keep = config === undefined ? undefined : (settings: VmSettings) => asOthersLeftIt(settings, config)
  const folder = await writeVmFolder(connection, entry, isToRun(entry), keep)
  return withTerraform(connection, { entry, folder }, signal, async terraform => {
    if (await terraform.knowsVm()) {
      const planned = await terraform.plan('update', { allowed: new Set(COSTS), again: againFor(name) })
      if (!planned.replaces) return planned.isNeeded ? terraform.planText() : undefined
      // The state has something that no VM can change: it was read for another registry.
      await terraform.forget()
    }
    try {
      await terraform.importAll(await importsOf(connection, entry))
      return await planOf(terraform, name)
    } catch (error) {
      if (await terraform.knowsAnything()) await terraform.forget()
      throw error
    }
  })
}

/** A plan that would replace the VM is refused; the rest is shown, whatever it costs. */
async function planOf(terraform: VmTerraform, name: string): Promise<string | undefined> {
  const allowed = new Set(COSTS.filter(cost => cost !== 'data-loss'))
  const { isNeeded } = await terraform.plan('update', { allowed, again: againFor(name) })
  return isNeeded ? terraform.planText() : undefined
}

function againFor(name: string): string {
  return `zx scripts/apply.mts ${name}`
}

/** Resources of a VM in Proxmox, by address in its configuration. */
async function importsOf({ client }: Connection, entry: Entry): Promise<Map<string, string>> {
  const { cloudInit } = requireDesign(entry)
  const node = entry.node!
  const [content, resource] = cloudInit.delivery === 'iso' ? ['iso', 'seed'] : ['snippets', 'snippet']
  const volid = userDataVolume(entry)
  const volumes = await listVolumes(client, { node, storage: cloudInit.storage }, content!)
  const imports = new Map([[vmAddress, `${node}/${entry.vmid}`]])
  if (volumes.some(volume => volume.volid === volid)) {
    imports.set(`module.vm.proxmox_virtual_environment_file.${resource}[0]`, `${node}/${volid}`)
  }
  return imports
}
