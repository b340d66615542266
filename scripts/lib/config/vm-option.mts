/** The row of the table of VM options. */

/** Price of a change of a VM that exists, from the cheapest to the dearest. */
export const CHANGE_COSTS = {
  nothing: 'the VM runs on untouched',
  hot: 'Proxmox changes the VM while it runs',
  reboot: 'the VM has the new value after it was powered off and on',
  device: 'a device of the VM is removed and another one added, with the VM powered off',
  data: 'the VM is made anew, and everything on its disk is lost',
  impossible: 'it needs another VM',
} as const

type ChangeCost = keyof typeof CHANGE_COSTS

/** Names of an option in the places where it stands. */
interface OptionNames {
  /** Flag of `vm create`, without its dashes. */
  flag?: string
  /** Key of a VM in a fleet file. */
  fleetKey?: string
  /** Path of the key in config/vm.yaml: `cloud_init.username`. */
  fileKey?: string
  /** Path in `VmDefaults` and in `VmDesign`: `cloudInit.username`. */
  attribute?: string
  /** Variable of the Terraform module. */
  variable?: string
}

/** Where the config of a VM in Proxmox has the value of an option. */
export interface ProxmoxKey {
  key: string
  /** The value is this part of a property string, whose name may be left out in front. */
  property?: string
  /** Value that Proxmox takes where the config has none. */
  absent: string
}

/**
 * An integer whose range has `never` may be that word: it is infinite. A `number` may have decimals. A `switch` is only ever
 * turned on; a `toggle` is on, off or not decided. Each word of a `list` is a text. An `address` is one of IP; a `wallet` is
 * one of a chain. `records` are objects, one for each time the flag is given. A `map` has a text under each name.
 */
type OptionValues =
  | { kind: 'integer'; range: { min: number; max: number; never?: true }; fields?: undefined }
  | { kind: 'number'; range: { min: number; max: number; never?: undefined }; fields?: undefined }
  | { kind: 'records'; fields: Readonly<Record<string, RecordField>>; range?: undefined }
  | {
      kind: 'text' | 'list' | 'map' | 'switch' | 'toggle' | 'address' | 'wallet'
      range?: undefined
      fields?: undefined
    }

/** A key of one record: `vlan` in `--network bridge=vmbr1,vlan=20`. */
export type RecordField = { help: string; unit?: string; required?: true } & (
  | {
      kind: 'integer' | 'number'
      range: { min: number; max: number }
      pattern?: undefined
      choices?: undefined
    }
  | { kind: 'text'; pattern?: string; wording?: string; choices?: readonly string[]; range?: undefined }
  | { kind: 'toggle'; pattern?: undefined; choices?: undefined; range?: undefined }
)

/** One thing that can be decided about a VM. */
export type VmOption = OptionValues & {
  names: OptionNames
  /** Word after the flag in `--help`: `MIB`. */
  value?: string
  unit?: string
  /** Regular expression of a text. */
  pattern?: string
  /** Completes `--FLAG TEXT is no ...`. A flag without it is looked up by name instead, which finds the nearest one. */
  wording?: string
  choices?: readonly string[]
  /** Value of the key in a fleet file that turns the switch on. */
  onWhen?: boolean
  /** The empty text is allowed. */
  mayBeEmpty?: true
  /** No two VMs have the same value, so a flag cannot give it to several. */
  unique?: true
  /** Value where neither a person nor config/vm.yaml decides. */
  default?: string | number | readonly string[]
  /** Value of VMs that were reserved before there was this option. */
  before?: string
  /** False: the design has no such attribute, since it chooses others. */
  designed?: false
  /** proxmint compares this key itself and changes it by the API; Terraform leaves it as it is. */
  proxmox?: ProxmoxKey
  help: string
  change: ChangeCost
  /** Adds to `change`. */
  changeNote?: string
}

/** Name in a `map`. */
export const MAP_NAME = '^[a-z][a-z0-9_]*$'

export type VmOptionTable = Readonly<Record<string, VmOption>>
