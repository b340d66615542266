/** Takes the state of a VM up again by import: it was made elsewhere, or its state is lost. */
import { listVolumes } from '../../proxmox/list-volumes.mts'
import type { Entry } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import type { Connection } from '../../site/connect.mts'
import { vmAddress } from '../../terraform/vm-configuration.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { followVm } from '../look/locate.mts'
import { requireDesign, userDataFile, writeVmFolder } from './folder.mts'
import { withTerraform } from './terraform-run.mts'

/**
 * Writes the folder of a VM, and reads the VM and its user-data into the state, if the state does not have the VM. Nothing
 * in Proxmox changes.
 * @returns the plan for a person; undefined if nothing differs.
 * @throws ProxmintError if the VM is missing or somebody else's, or if a later `apply` would do it harm; the state is
 *   empty then.
 */
export async function takeUpState(name: string, unlocked: VmContext): Promise<string | undefined> {
  return withVmLock(unlocked, name, 'vm adopt', async ({ connection, store, signal }) => {
    const { entry } = await followVm(connection, await requireEntry(store, name))
    const folder = await writeVmFolder(connection.site, entry, entry.phase === 'active')
    return withTerraform(connection, { entry, folder }, signal, async terraform => {
      if (await terraform.knowsVm()) return terraform.plan('update')
      try {
        await terraform.importAll(await importsOf(connection, entry))
        return await terraform.plan('update')
      } catch (error) {
        if (await terraform.knowsAnything()) await terraform.forget()
        throw error
      }
    })
  })
}

/** Resources of a VM in Proxmox, by address in its configuration. */
async function importsOf({ client }: Connection, entry: Entry): Promise<Map<string, string>> {
  const { cloudInit } = requireDesign(entry)
  const node = entry.node!
  const isIso = cloudInit.delivery === 'iso'
  const [content, ending, resource] = isIso ? ['iso', 'iso', 'seed'] : ['snippets', 'yaml', 'snippet']
  const volid = `${cloudInit.storage}:${content}/${userDataFile(entry)}.${ending}`
  const volumes = await listVolumes(client, { node, storage: cloudInit.storage }, content!)
  const imports = new Map([[vmAddress, `${node}/${entry.vmid}`]])
  if (volumes.some(volume => volume.volid === volid)) {
    imports.set(`module.vm.proxmox_virtual_environment_file.${resource}[0]`, `${node}/${volid}`)
  }
  return imports
}
