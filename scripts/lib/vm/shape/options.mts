/** Options of a VM that are one key of its config each: cores, memory, CPU limit, ... Pure. */
import { valueAt } from '../../config/paths.mts'
import type { ProxmoxKey, VmOption } from '../../config/vm-option.mts'
import { VM_OPTIONS } from '../../config/vm-options.mts'
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { propertiesOf } from '../../proxmox/property-string.mts'
import { cpuTypeOf, type VmDesign } from '../../registry/entry.mts'
import { type Edit, edited, NONE } from './edit.mts'

/** Words for an option in plans and in drift, where they are not those of its flag. */
const WORDS: Record<string, string> = { cores: 'cores', cpuType: 'CPU type' }

/** The part of a design that the options decide. */
type OptionsOfDesign = Partial<VmDesign>

/**
 * Lists the options whose value in Proxmox is not that of the design. An option that was not decided is left as it is.
 */
export function optionEdits(design: OptionsOfDesign, config: VmConfig): Edit[] {
  return Object.entries<VmOption>(VM_OPTIONS).flatMap(([name, option]) => {
    const { proxmox, change, names } = option
    if (proxmox === undefined) return []
    const wanted = wantedOf(design, names.attribute!)
    if (wanted === undefined) return []
    const words = WORDS[name] ?? names.flag!.replaceAll('-', ' ')
    const text = configText(wanted)
    return edited(
      words,
      [shown(option, valueIn(config, proxmox)), shown(option, text)],
      change === 'reboot' ? 'reboot' : null,
      { option: name, set: { [proxmox.key]: withValue(config, proxmox, text) } },
    )
  })
}

/** Value of an option in a config, as Proxmox writes it; its default where the config has none. */
function valueIn(config: VmConfig, { key, property, absent }: ProxmoxKey): string {
  const text = String(config[key] ?? '')
  if (property === undefined) return text || absent
  return propertiesOf(text, property).get(property) ?? absent
}

function wantedOf(design: OptionsOfDesign, attribute: string): unknown {
  return attribute === 'cpuType' ? cpuTypeOf(design as VmDesign) : valueAt(design, attribute)
}

function configText(value: unknown): string {
  return typeof value === 'boolean' ? String(Number(value)) : String(value)
}

/** The new text of the key: the other parts of a property string stay. */
function withValue(config: VmConfig, { key, property }: ProxmoxKey, text: string): string {
  if (property === undefined) return text
  const parts = propertiesOf(String(config[key] ?? ''), property)
  return [...new Map([[property, text], ...[...parts].filter(([name]) => name !== property)])]
    .map(([name, value]) => (name === property ? value : `${name}=${value}`))
    .join(',')
}

function shown({ kind }: VmOption, text: string): string {
  if (kind !== 'toggle' || text === NONE) return text
  return text === '1' ? 'on' : 'off'
}

/** Value of an option of the table in a config, in the unit of the option. */
export function optionIn(config: VmConfig, name: 'cores' | 'memory' | 'cpuType'): string {
  return valueIn(config, VM_OPTIONS[name].proxmox)
}
