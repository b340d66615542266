import { vmAddress } from './vm-configuration.mts'

/** Reads a VM's state in Terraform. */

/** The part of `tofu show -json` that is read. */
export interface TerraformState {
  values?: { root_module?: StateModule }
}

interface StateModule {
  resources?: StateResource[]
  child_modules?: StateModule[]
}

interface StateResource {
  address: string
  values?: Record<string, unknown>
}

/** Checks whether the state has any resource. After an interrupted apply it may have the user-data only. */
export function knowsAnything({ values }: TerraformState): boolean {
  return resourcesIn(values?.root_module).length > 0
}

/** Checks whether the state has the VM. */
export function knowsVm({ values }: TerraformState): boolean {
  return vmIn(values?.root_module) !== undefined
}

/** Attributes of the VM; undefined if the state does not have it. */
export function valuesOfVm({ values }: TerraformState): Record<string, unknown> | undefined {
  return vmIn(values?.root_module)?.values
}

/** Nodes of the resources in the state. */
export function nodesIn({ values }: TerraformState): string[] {
  const names = resourcesIn(values?.root_module).map(resource => resource.values?.['node_name'])
  return [...new Set(names.filter(name => typeof name === 'string'))]
}

function vmIn(root: StateModule | undefined): StateResource | undefined {
  return resourcesIn(root).find(({ address }) => address === vmAddress)
}

function resourcesIn({ resources = [], child_modules: children = [] }: StateModule = {}): StateResource[] {
  return [...resources, ...children.flatMap(resourcesIn)]
}
