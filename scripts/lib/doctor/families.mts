import { buildTarget } from '../packer/build-target.mts'
import { listFamilies, type Template } from '../packer/template.mts'
import { loadCheckedTemplate } from '../site/checked-template.mts'
import { type Look, lookAt } from './look.mts'

/** Template family that follows the rules. */
export interface LoadedFamily {
  os: string
  template: Template
  /** Name of the base VM it is built from; undefined if it is installed from a medium. */
  baseName: string | undefined
}

/** Loads each family of packer/ and checks its rules. */
export async function lookAtFamilies(): Promise<Look<LoadedFamily>[]> {
  const names = await lookAt(() => listFamilies())
  if (!('value' in names)) return [names]
  return Promise.all(names.value.map(os => lookAt(() => load(os))))
}

async function load(os: string): Promise<LoadedFamily> {
  const template = await loadCheckedTemplate(os)
  const isCloned = template.sources.some(({ type }) => type === 'proxmox-clone')
  return { os, template, baseName: isCloned ? buildTarget(template, {}).baseName : undefined }
}
