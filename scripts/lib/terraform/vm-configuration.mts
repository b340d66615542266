import type { BackendConfig } from '../config/terraform.mts'
import type { OptionsWith, OptionValue, VmOptions } from '../config/vm-option-types.mts'

/** Variables of the module that an option of a VM decides. */
type OptionVariables = {
  [N in OptionsWith<{ names: { variable: string } }> as VmOptions[N]['names']['variable']]: OptionValue<N>
}

/** Variables of the module `terraform/modules/vm` for one VM; names and units are the module's. */
export interface VmSettings extends OptionVariables {
  name: string
  description: string
  node: string
  vmid: number
  template: { vmid: number; node: string }
  storage: string
  /** With prefix length. */
  address: string
  gateway: string | null
  dns: string[]
  bridge: string
  vlan: number | null
  started: boolean
  /** Cloud-init user-data for a snippet; null where there is none or it is in the seed. */
  user_data: string | null
  /** Path of a NoCloud seed, from the VM's folder. */
  seed_iso: string | null
  /** Of the snippet or the ISO on `file_storage`, without its ending. */
  file_name: string
  file_storage: string
}

/** From a VM's folder, `vms/NAME`. */
const moduleSource = '../../terraform/modules/vm'

/** The resource that is the VM. */
export const vmAddress = 'module.vm.proxmox_virtual_environment_vm.this'

/**
 * `main.tf.json` of one VM: all of it follows from its registry entry, so that it can be made again anywhere. It
 * holds no credentials; they come from the environment.
 */
export function vmConfiguration(settings: VmSettings, { type, settings: backend }: BackendConfig): object {
  return {
    '//': 'Made by proxmint from the registry. Changes here are lost.',
    terraform: {
      required_providers: { proxmox: { source: 'bpg/proxmox' } },
      backend: { [type]: backend },
    },
    provider: { proxmox: {} },
    module: { vm: { source: moduleSource, ...escaped(settings) } },
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a template of Terraform's
    output: { addresses: { value: '${module.vm.addresses}' } },
  }
}

/** In JSON too, Terraform takes `${` and `%{` for the beginning of a template. */
function escaped(settings: VmSettings): VmSettings {
  return JSON.parse(JSON.stringify(settings), (_, value) =>
    typeof value === 'string' ? value.replace(/[$%](?=\{)/g, sign => sign + sign) : value,
  )
}
