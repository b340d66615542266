/** Looks at the folder and the state of each VM: a state that is deleted, unreadable or another VM's, or a link. */
import { lstat, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Divergence } from '../registry/divergence.mts'
import type { Entry } from '../registry/entry.mts'
import { isMarked } from '../registry/identity.mts'
import { ifThere } from '../run/if-there.mts'
import type { Site } from '../site/site.mts'
import { vmFolder } from '../vm/look/local-state.mts'

interface StateFile {
  resources?: { type?: string; instances?: { attributes?: Record<string, unknown> }[] }[]
}

/** Lists what is wrong with the folders and the states of VMs that were made. States in a backend are not read. */
export async function stateFindings(site: Pick<Site, 'backend'>, entries: Entry[]): Promise<Divergence[]> {
  const backend = await site.backend()
  const isLocal = backend.type === 'local' && Object.keys(backend.settings).length === 0
  const made = entries.filter(({ phase, design }) => phase !== 'reserved' && design !== null)
  const findings: Divergence[] = []
  for (const entry of made) {
    const what = (await linkFault(entry)) ?? (isLocal ? await readFault(entry) : undefined)
    if (what !== undefined) findings.push({ name: entry.name, ...what, fix: undefined })
  }
  return findings
}

type Fault = Pick<Divergence, 'what' | 'hint'>

async function linkFault({ name }: Entry): Promise<Fault | undefined> {
  const folder = await ifThere(lstat(vmFolder(name)))
  if (!folder?.isSymbolicLink()) return undefined
  return {
    what: `vms/${name} is a symbolic link`,
    hint: `its state may be another VM's: replace the link by the folder it points to, or remove it and run ${adopt(name)}`,
  }
}

async function readFault(entry: Entry): Promise<Fault | undefined> {
  const text = await ifThere(readFile(join(vmFolder(entry.name), 'terraform.tfstate'), 'utf8'))
  return stateFault(entry, text)
}

/** Judges the text of a state; undefined if it is the VM's. Pure. @param text undefined: there is none. */
export function stateFault(entry: Entry, text: string | undefined): Fault | undefined {
  const { name } = entry
  const hint = `restore vms/${name}/terraform.tfstate from a backup, or read it from Proxmox: ${adopt(name)}`
  if (text === undefined) return { what: `its state vms/${name}/terraform.tfstate is gone`, hint }
  const vm = vmIn(text)
  if (vm === 'unreadable') return { what: `its state vms/${name}/terraform.tfstate cannot be read`, hint }
  if (vm === undefined) return { what: `its state vms/${name}/terraform.tfstate does not have the VM`, hint }
  const isOwn =
    vm['vm_id'] === entry.vmid && isMarked(entry, { description: String(vm['description'] ?? '') })
  return isOwn ? undefined : { what: `its state has another VM: ${vm['vm_id']} (${vm['name']})`, hint }
}

function vmIn(text: string): Record<string, unknown> | undefined | 'unreadable' {
  try {
    const { resources = [] } = JSON.parse(text) as StateFile
    return resources.find(({ type }) => type === 'proxmox_virtual_environment_vm')?.instances?.[0]?.attributes
  } catch {
    return 'unreadable'
  }
}

function adopt(name: string): string {
  return `zx scripts/vm.mts adopt ${name} --apply`
}
