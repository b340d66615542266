import { vmAddress } from './vm-configuration.mts'

/** The part of `tofu show -json` that is read. */
export interface TerraformState {
  values?: { root_module?: StateModule }
}

interface StateModule {
  resources?: { address: string }[]
  child_modules?: StateModule[]
}

/** Whether the state has anything: of an apply that died early, the user-data alone. */
export function knowsAnything({ values }: TerraformState): boolean {
  return values?.root_module !== undefined && addressesIn(values.root_module).length > 0
}

/** Whether the state has the VM. */
export function knowsVm({ values }: TerraformState): boolean {
  return values?.root_module !== undefined && addressesIn(values.root_module).includes(vmAddress)
}

function addressesIn({ resources = [], child_modules: children = [] }: StateModule): string[] {
  return [...resources.map(({ address }) => address), ...children.flatMap(addressesIn)]
}
