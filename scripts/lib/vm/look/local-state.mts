import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { projectRoot } from '../../config/load.mts'
import { ifThere } from '../../run/if-there.mts'
import type { Site } from '../../site/site.mts'

/** The folder with the configuration of a VM and, by default, its state. */
export function vmFolder(name: string): string {
  return join(projectRoot(), 'vms', name)
}

/** The state in a VM's folder, read without Terraform. */
type LocalState =
  | { kind: 'here'; resources: number }
  /** No state was written yet. */
  | { kind: 'none' }
  /** The state is in the backend of that name, or in another folder of the user's. */
  | { kind: 'elsewhere'; backend: string }

/** Reads the state in a VM's folder. @throws if the state is there and cannot be read. */
export async function readLocalState(site: Pick<Site, 'backend'>, folder: string): Promise<LocalState> {
  const backend = await site.backend()
  if (backend.type !== 'local' || Object.keys(backend.settings).length > 0) {
    return { kind: 'elsewhere', backend: backend.type }
  }
  const text = await ifThere(readFile(join(folder, 'terraform.tfstate'), 'utf8'))
  if (text === undefined) return { kind: 'none' }
  const { resources = [] } = JSON.parse(text) as { resources?: unknown[] }
  return { kind: 'here', resources: resources.length }
}
