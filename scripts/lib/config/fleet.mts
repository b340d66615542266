import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'
import { formatAddress, parseAddress } from './addresses.mts'
import type { SchemaFault } from './schema-faults.mts'
import { readYamlFile } from './yaml-file.mts'

/** One VM of a fleet file; the keys are the options of `vm create`. */
export interface FleetVm {
  purpose?: string
  /** As written; whoever uses it checks its checksum. */
  owner_wallet?: string
  /** False: without an access credential. */
  web3?: boolean
  cpu?: number
  cpu_type?: string
  /** MiB. */
  memory?: number
  /** GiB. */
  disk?: number
  tags?: string[]
  expiry_days?: number
  username?: string
  node?: string
  pool?: string
  /** Canonical. */
  ip?: string
  vmid?: number
  template?: string
  template_vmid?: number
  cloud_init?: string
}

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
  return vm.ip === undefined ? vm : { ...vm, ip: formatAddress(parseAddress(vm.ip)!) }
}

/** Two VMs cannot have one address or number, and one of them would only fail later. */
function moreFaults({ vms }: FleetFile): SchemaFault[] {
  const faults: SchemaFault[] = []
  const seen = new Map<string, string>()
  for (const [name, vm] of Object.entries(vms)) {
    const ip = vm?.ip === undefined ? undefined : parseAddress(vm.ip)
    if (vm?.ip !== undefined && ip === undefined) {
      faults.push({
        path: ['vms', name, 'ip'],
        sentence: `vms.${name}.ip must be an address, not "${vm.ip}"`,
      })
    }
    const wanted = { ip: ip && formatAddress(ip), vmid: vm?.vmid }
    for (const [key, value] of Object.entries(wanted)) {
      if (value === undefined) continue
      const other = seen.get(`${key} ${value}`)
      if (other !== undefined) {
        faults.push({
          path: ['vms', name, key],
          sentence: `vms.${name}.${key} is also the one of vms.${other}`,
        })
      }
      seen.set(`${key} ${value}`, name)
    }
  }
  return faults
}
