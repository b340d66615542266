import { vmAddress } from './vm-configuration.mts'

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

/** Whether the state has anything: of an apply that died early, the user-data alone. */
export function knowsAnything({ values }: TerraformState): boolean {
  return resourcesIn(values?.root_module).length > 0
}

/** Whether the state has the VM. */
export function knowsVm({ values }: TerraformState): boolean {
  return resourcesIn(values?.root_module).some(({ address }) => address === vmAddress)
}

/** The attributes of the VM. */
export function valuesOfVm({ values }: TerraformState): Record<string, unknown> | undefined {
  return resourcesIn(values?.root_module).find(({ address }) => address === vmAddress)?.values
}

/** The nodes that are asked about what is in the state. */
export function nodesIn({ values }: TerraformState): string[] {
  const names = resourcesIn(values?.root_module).map(resource => resource.values?.['node_name'])
  return [...new Set(names.filter(name => typeof name === 'string'))]
}

function resourcesIn({ resources = [], child_modules: children = [] }: StateModule = {}): StateResource[] {
  return [...resources, ...children.flatMap(resourcesIn)]
}
