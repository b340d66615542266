/** What a plan changes about a VM, and what each change costs. Pure: it reads a plan. */
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { isObject } from '../run/is-object.mts'
import type { Change, Cost } from './costs.mts'

type Values = Record<string, unknown>

/** The attributes of a VM before and after a plan, as `tofu show -json` has them. */
export interface VmPlan {
  before?: Values | null
  after?: Values | null
  after_unknown?: unknown
}

interface Known {
  what: string
  cost: Cost | null | ((planned: VmPlan) => Cost | null)
}

const CARD_ATTRIBUTES = [
  ...[
    'bridge',
    'disconnected',
    'enabled',
    'firewall',
    'mac_address',
    'model',
    'mtu',
    'queues',
    'rate_limit',
    'trunks',
  ],
  'vlan_id',
]
const DISK_ATTRIBUTES = [
  ...[
    'aio',
    'backup',
    'cache',
    'datastore_id',
    'discard',
    'file_format',
    'interface',
    'iothread',
    'path_in_datastore',
  ],
  ...['queues', 'replicate', 'serial', 'speed', 'ssd'],
]
/** The provider reports the last three; the configuration never has them. */
const CLOUD_INIT_ATTRIBUTES = [
  ...['file_format', 'interface', 'type', 'upgrade', 'user_account'],
  ...['vendor_data_file_id', 'network_data_file_id', 'meta_data_file_id'],
]

function each(block: string, attributes: string[], known: Known): Record<string, Known> {
  return Object.fromEntries(attributes.map(attribute => [`${block}.${attribute}`, known]))
}

/**
 * Costs by the path of the attribute. It says which changes the provider (bpg 0.111) answers with a reboot: those with
 * `rebootRequired = true` in `vmUpdate`. A path ends at the longest prefix that stands here.
 */
const KNOWN: Record<string, Known> = {
  name: { what: 'name', cost: null },
  description: { what: 'notes', cost: null },
  tags: { what: 'tags', cost: null },
  on_boot: { what: 'start at boot', cost: null },
  started: { what: 'power', cost: ({ before }) => (before?.['started'] === true ? 'reboot' : null) },
  'cpu.cores': { what: 'cores', cost: 'reboot' },
  'cpu.type': { what: 'CPU type', cost: 'reboot' },
  'memory.dedicated': { what: 'memory', cost: memoryCost },
  ...each('agent', ['enabled', 'timeout', 'trim', 'type', 'wait_for_ip'], {
    what: 'guest agent',
    cost: 'reboot',
  }),
  ...each('disk', DISK_ATTRIBUTES, { what: 'disk', cost: 'reboot' }),
  'disk.size': { what: 'disk in GiB', cost: null },
  ...each('network_device', CARD_ATTRIBUTES, { what: 'network card', cost: null }),
  ...each('cdrom', ['enabled', 'file_id'], { what: 'seed ISO', cost: null }),
  'cdrom.interface': { what: 'drive of the seed ISO', cost: 'remove' },
  ...each('initialization', CLOUD_INIT_ATTRIBUTES, { what: 'cloud-init', cost: 'reboot' }),
  'initialization.ip_config': { what: 'address', cost: 'reboot' },
  'initialization.dns': { what: 'name servers', cost: 'reboot' },
  'initialization.datastore_id': { what: 'storage of the cloud-init drive', cost: 'reboot' },
  'initialization.user_data_file_id': { what: 'user-data', cost: 'reboot' },
}

/** Attributes of the provider's own: Proxmox has none of them. */
const PROVIDERS_OWN =
  /^(clone|timeout_\w+|migrate|reboot_after_(creation|update)|(stop|purge|delete_unreferenced_disks)_on_destroy)$/
/** Attributes that only report something. */
const REPORTED = /^(id|ipv4_addresses|ipv6_addresses|mac_addresses|network_interface_names)$/
/** Lists whose elements are devices: one that is missing afterwards is removed. */
const DEVICES: Record<string, { what: string; cost: Cost }> = {
  disk: { what: 'disk', cost: 'data-loss' },
  network_device: { what: 'network card', cost: 'remove' },
  cdrom: { what: 'seed ISO', cost: 'remove' },
  initialization: { what: 'cloud-init drive', cost: 'remove' },
}

/**
 * Lists the changes of a VM that exists.
 * @throws ProxmintError (invalid) that names each attribute whose cost is not known.
 */
export function changesOf(name: string, planned: VmPlan): Change[] {
  const before = planned.before ?? {}
  const after = planned.after ?? {}
  const unknown = (planned.after_unknown ?? {}) as Values
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after), ...Object.keys(unknown)])]
  const differing = keys
    .filter(key => !REPORTED.test(key) && !PROVIDERS_OWN.test(key))
    .flatMap(key => leaves(key, before[key], withoutGaps(key, after[key], before[key]), unknown[key]))
  const strange = differing.filter(({ path }) => knownFor(path) === undefined)
  if (strange.length > 0) throw unknownAttributes(name, strange)
  return merged([
    ...keys.flatMap(key => removedFrom(key, before[key], after[key])),
    ...differing.map(leaf => changeOf(leaf, planned)),
  ])
}

interface Leaf {
  path: string
  from: unknown
  to: unknown
}

/** Lists the values that differ below a path; the numbers of elements are left out of paths. */
function leaves(path: string, from: unknown, to: unknown, unknown: unknown): Leaf[] {
  if (unknown === true) return [{ path, from, to: 'known after it' }]
  if (isEmpty(from) && isEmpty(to) && isEmpty(unknown)) return []
  if (isScalarList(from) && isScalarList(to)) {
    return sortedText(from) === sortedText(to) ? [] : [{ path, from: sortedText(from), to: sortedText(to) }]
  }
  if (Array.isArray(from) || Array.isArray(to)) {
    const length = Math.max(...[from, to].map(list => (Array.isArray(list) ? list.length : 0)))
    return Array.from({ length }, (_, index) =>
      leaves(path, at(from, index), at(to, index), at(unknown, index)),
    ).flat()
  }
  if (isObject(from) || isObject(to)) {
    const keys = [from, to, unknown].flatMap(one => (isObject(one) ? Object.keys(one) : []))
    return [...new Set(keys)].flatMap(key =>
      leaves(`${path}.${key}`, at(from, key), at(to, key), at(unknown, key)),
    )
  }
  return from === to ? [] : [{ path, from, to }]
}

/** The provider has an element for a free number between two cards, and writes it otherwise than it reads it. */
function withoutGaps(key: string, after: unknown, before: unknown): unknown {
  if (key !== 'network_device' || !Array.isArray(after)) return after
  return after.map((card, index) => (at(card, 'enabled') === false ? at(before, index) : card))
}

function at(value: unknown, key: string | number): unknown {
  return typeof value === 'object' && value !== null ? (value as Values)[key] : undefined
}

/** Proxmox and the provider leave out what is empty, and write it, by turns. */
function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isEmpty)
  if (isObject(value)) return Object.values(value).every(isEmpty)
  return value === undefined || value === null || value === '' || value === 0 || value === false
}

function isScalarList(value: unknown): boolean {
  return isEmpty(value) || (Array.isArray(value) && value.every(one => typeof one !== 'object'))
}

function sortedText(list: unknown): string {
  return Array.isArray(list) ? list.map(String).sort().join(' ') : ''
}

function removedFrom(key: string, before: unknown, after: unknown): Change[] {
  const device = DEVICES[key]
  if (device === undefined || !Array.isArray(before)) return []
  const left = new Set(elements(after).map(identityOf))
  return elements(before)
    .map(identityOf)
    .filter(identity => !left.has(identity))
    .map(identity => ({ ...device, from: String(identity), to: 'none' }))
}

function elements(list: unknown): Values[] {
  return Array.isArray(list) ? list.filter(isObject) : []
}

/** Drives have a slot each; cards are counted. */
function identityOf(element: Values, index: number): unknown {
  return element['path_in_datastore'] === undefined ? index : element['interface']
}

function changeOf({ path, from, to }: Leaf, planned: VmPlan): Change {
  const { what, cost } = knownFor(path)!
  const price = typeof cost === 'function' ? cost(planned) : cost
  return { what, ...valuesFor(path, from, to), cost: price === 'reboot' && !rebooted(planned) ? null : price }
}

function valuesFor(path: string, from: unknown, to: unknown): { from: string; to: string } {
  if (path === 'started' || path === 'on_boot') return { from: onOff(from), to: onOff(to) }
  return { from: textOf(from), to: textOf(to) }
}

function onOff(value: unknown): string {
  return value === true ? 'on' : 'off'
}

function textOf(value: unknown): string {
  if (value === undefined || value === null || value === '') return 'none'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** A VM that is off is not rebooted. */
function rebooted({ before }: VmPlan): boolean {
  return before?.['started'] === true
}

/** The provider adds memory to a VM that runs only if the VM's `hotplug` names it. */
function memoryCost({ before, after }: VmPlan): Cost | null {
  const [from, to] = [before, after].map(one => Number(elements(one?.['memory'])[0]?.['dedicated'] ?? 0))
  const hotplug = String(before?.['hotplug'] ?? '').split(',')
  return to! > from! && (hotplug.includes('memory') || hotplug.includes('1')) ? null : 'reboot'
}

/** Finds the row for a path: its own, or that of the nearest part above it that stands for everything below. */
function knownFor(path: string): Known | undefined {
  const parts = path.split('.')
  for (let length = parts.length; length > 0; length -= 1) {
    const known = KNOWN[parts.slice(0, length).join('.')]
    if (known !== undefined) return known
  }
  return undefined
}

/** Leaves out what has the same words twice: the parts of one address, for instance. */
function merged(changes: Change[]): Change[] {
  return [...new Map(changes.map(change => [JSON.stringify(change), change])).values()]
}

function unknownAttributes(name: string, leaves: Leaf[]): ProxmintError {
  const list = leaves.map(({ path, from, to }) => `${path}: ${textOf(from)} -> ${textOf(to)}`)
  return new ProxmintError(`the plan for ${name} changes what proxmint does not manage`, {
    facts: { attributes: list.join(', ') },
    hint:
      'nothing was applied. A newer version of the provider may have added an attribute: use the version that proxmint ' +
      'pins (`zx scripts/setup.mts`), or report it with the line above',
    exitCode: exitCodes.invalid,
  })
}
