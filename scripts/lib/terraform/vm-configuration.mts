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
  /** Resource pool; null: none. */
  pool: string | null
  /** With prefix length. */
  address: string
  gateway: string | null
  dns: string[]
  bridge: string
  vlan: number | null
  started: boolean
  /** Whether it starts with its node. */
  on_boot: boolean
  /** Cloud-init user-data for a snippet; null if the seed has it, or there is none. */
  user_data: string | null
  /** Path of a NoCloud seed, from the VM's folder. */
  seed_iso: string | null
  /** Name of the snippet or the ISO on `file_storage`, without its ending. */
  file_name: string
  file_storage: string
  agent: boolean
  /** All cards as they are in Proxmox, net0 first; empty: Terraform decides about none. */
  cards: Card[]
  /** Addresses beside the own one, a card each, net0 first; null: cloud-init gives none of that family. */
  ip_configs: IpConfig[]
  /** Null: that of the disk. */
  cloud_init_storage: string | null
  /** Volume of the user-data that the VM has; null: the snippet made here. */
  user_data_id: string | null
  /** Drive of the seed ISO. */
  seed_interface: string
}

/** A network card, with the provider's units; `enabled` is false for a free number between two cards. */
export interface Card {
  enabled: boolean
  bridge: string | null
  vlan: number | null
  model: string
  mac: string | null
  firewall: boolean
  disconnected: boolean
  /** MB/s; 0: no limit. */
  rate: number
  mtu: number
  queues: number
  /** VLANs, separated by semicolons. */
  trunks: string
}

/** Address and gateway of a card, as Proxmox writes them: `10.0.0.5/24`, `dhcp`, `auto`. */
export interface IpConfig {
  ip4: string | null
  gw4: string | null
  ip6: string | null
  gw6: string | null
}

/** Path of the module from the folder of a VM, `vms/NAME`. */
const MODULE_SOURCE = '../../terraform/modules/vm'

/** Address of the VM's resource. */
export const vmAddress = 'module.vm.proxmox_virtual_environment_vm.this'

/**
 * Content of `main.tf.json` for one VM. It depends on the registry entry and the VM in Proxmox only, so every
 * machine can write it again. It holds no credentials; they come from the environment.
 */
export function vmConfiguration(settings: VmSettings, { type, settings: backend }: BackendConfig): object {
  return {
    '//': 'Made by proxmint from the registry. Changes here are lost.',
    terraform: {
      required_providers: { proxmox: { source: 'bpg/proxmox' } },
      backend: { [type]: backend },
    },
    provider: { proxmox: {} },
    module: { vm: { source: MODULE_SOURCE, ...escaped(settings) } },
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a template of Terraform's
    output: { addresses: { value: '${module.vm.addresses}' } },
  }
}

/** Settings with `${` and `%{` escaped: Terraform reads templates in JSON too. */
function escaped(settings: VmSettings): VmSettings {
  return JSON.parse(JSON.stringify(settings), (_, value) =>
    typeof value === 'string' ? value.replace(/[$%](?=\{)/g, sign => sign + sign) : value,
  )
}
