import type { NEVER } from '../run/duration.mts'
import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'
import { formatAddress, parseAddress } from './addresses.mts'
import { valueAt } from './paths.mts'
import type { SchemaFault } from './schema-faults.mts'
import type { VmOption } from './vm-option.mts'
import type { OptionsWith, OptionValue, VmOptions } from './vm-option-types.mts'
import { VM_OPTIONS } from './vm-options.mts'
import { readYamlFile } from './yaml-file.mts'

/** One VM of a fleet file. An address is canonical; whoever uses a wallet checks its checksum. */
export type FleetVm = {
  [N in OptionsWith<{ names: { fleetKey: string } }> as VmOptions[N]['names']['fleetKey']]?: Written<N>
}

/** A number of days may be `never`. */
type Written<N extends keyof VmOptions> =
  | OptionValue<N>
  | (N extends OptionsWith<{ range: { never: true } }> ? typeof NEVER : never)

interface FleetFile {
  vms: Record<string, FleetVm | null>
}

const sample = 'config/fleet-example.yaml'
const schema = new URL('../../../config/fleet.schema.json', import.meta.url)

/**
 * Reads the VMs that are to be made, by name.
 * @throws ProxmintError (invalid) that lists every fault with its path and line, (usage) where there is no such file.
 */
export async function loadFleet(path: string): Promise<Map<string, FleetVm>> {
  const reading = readYamlFile<FleetFile>({ path, sample, schema, moreFaults })
  const { vms } = await reading.catch((error): FleetFile => {
    if (codeOf(error) !== 'ENOENT') throw error
    throw new ProxmintError(`there is no file ${path}`, {
      hint: `${sample} shows how it is to look`,
      cause: error,
      exitCode: exitCodes.usage,
    })
  })
  return new Map(Object.entries(vms).map(([name, vm]) => [name, canonical(vm ?? {})]))
}

function canonical(vm: FleetVm): FleetVm {
  return vm.ip === undefined ? vm : { ...vm, ip: canonicalAddress(vm.ip)! }
}

/** @returns undefined where it is no address. */
function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text)
  return address && formatAddress(address)
}

const uniqueOptions = Object.values<VmOption>(VM_OPTIONS).filter(({ unique }) => unique)

/** Two VMs cannot have one address or number, and one of them would only fail later. */
function moreFaults({ vms }: FleetFile): SchemaFault[] {
  const owners = new Map<string, string>()
  return Object.entries(vms).flatMap(([name, vm]) =>
    uniqueOptions.flatMap(({ kind, names: { fleetKey = '' } }): SchemaFault[] => {
      const given = valueAt(vm, fleetKey)
      if (given === undefined) return []
      const path = ['vms', name, fleetKey]
      const value = kind === 'address' ? canonicalAddress(String(given)) : given
      if (value === undefined) {
        return [{ path, sentence: `${path.join('.')} must be an address, not "${given}"` }]
      }
      const owner = owners.get(`${fleetKey} ${value}`)
      owners.set(`${fleetKey} ${value}`, name)
      return owner === undefined
        ? []
        : [{ path, sentence: `${path.join('.')} is also the one of vms.${owner}` }]
    }),
  )
}
