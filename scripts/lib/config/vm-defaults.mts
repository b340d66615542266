import { uniqueKeysOf } from './network-fields.mts'
import { nested, valueAt } from './paths.mts'
import type { SchemaFault } from './schema-faults.mts'
import type { VmOptionTable } from './vm-option.mts'
import type { AttributesOf, OptionalAttributesOf, OptionsWith } from './vm-option-types.mts'
import { VM_OPTIONS } from './vm-options.mts'
import { readOptionalYamlFile } from './yaml-file.mts'

type InFile = OptionsWith<{ names: { attribute: string; fileKey: string } }>
type WithDefault = OptionsWith<{ names: { attribute: string }; default: unknown }>

/**
 * `config/vm.yaml` with defaults filled in; `cloudInit.sshAuthorizedKeys` has the break-glass key too. An option without a
 * default is left out where the file does not decide it.
 */
export type VmDefaults = AttributesOf<WithDefault> & OptionalAttributesOf<Exclude<InFile, WithDefault>>

/** Where the defaults stand, from the project's root; PROXMINT_VM names another file. */
const vmFile = 'config/vm.yaml'

const schema = new URL('../../../config/vm.schema.json', import.meta.url)

/**
 * Reads `config/vm.yaml`. Without a file, the defaults are those of the commented one.
 * @throws ProxmintError (invalid) that lists every fault with its path, line and the nearest known key.
 */
export async function loadVmDefaults(env: NodeJS.ProcessEnv = process.env): Promise<VmDefaults> {
  const file = await readOptionalYamlFile<object>(
    { variable: 'PROXMINT_VM', sample: vmFile, schema, moreFaults: cardFaults },
    env,
  )
  const { cloudInit, ...defaults } = filledDefaults(file)
  const breakGlass = valueAt(file, VM_OPTIONS.breakGlassKey.names.fileKey) as string | undefined
  const keys = [...cloudInit.sshAuthorizedKeys, ...(breakGlass === undefined ? [] : [breakGlass])]
  return { ...defaults, cloudInit: { ...cloudInit, sshAuthorizedKeys: keys } }
}

/** Every VM has the cards of this file, so none of them can be one of a kind. */
function cardFaults(file: object): SchemaFault[] {
  const cards = (valueAt(file, VM_OPTIONS.networks.names.fileKey) ?? []) as Record<string, string>[]
  return cards.flatMap((card, number) =>
    uniqueKeysOf(card).map(key => {
      const path = ['networks', String(number), key]
      return { path, sentence: `${path.join('.')} is for one VM, and this file is for all` }
    }),
  )
}

/** Fills in the default of each key that a checked file does not have. */
export function filledDefaults(file: object, table: VmOptionTable = VM_OPTIONS): VmDefaults {
  const values = Object.values(table).flatMap(({ names: { attribute, fileKey }, default: fallback }) => {
    const given = fileKey === undefined ? undefined : valueAt(file, fileKey)
    const value = given ?? fallback
    return attribute === undefined || value === undefined ? [] : [[attribute, value] as const]
  })
  return nested(values) as VmDefaults
}
