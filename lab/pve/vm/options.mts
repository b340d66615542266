/** Options of a VM's config: types, and the privilege for changing each one (PVE/QemuServer.pm, PVE/API2/Qemu.pm). */

import { address, dnsNameFormat, startupOrder, tag, urlEncoded } from '../core/formats.mts'
import {
  family,
  flag,
  integer,
  listOf,
  optional,
  type Parameters,
  storageId,
  text,
} from '../core/parameters.mts'
import { findProperty, type Property, type PropertyFormat, type Verifier } from '../core/property.mts'
import {
  cpuFormat,
  cpuSet,
  machineFormat,
  memoryFormat,
  numaFormat,
  sevFormat,
  tdxFormat,
} from './cpu-formats.mts'
import {
  audioFormat,
  hostPciFormat,
  ipConfigFormat,
  ivshmemFormat,
  nicFormat,
  rngFormat,
  spiceFormat,
  usbFormat,
  vgaFormat,
  virtiofsFormat,
  watchdogFormat,
} from './device-formats.mts'
import { cdromOption, driveOptions, volumeId } from './drive-formats.mts'
import {
  agentFormat,
  bootDisk,
  bootFormat,
  ciCustomFormat,
  hotplug,
  smbiosFormat,
} from './option-formats.mts'

function oneOf(...values: string[]): Property {
  return optional({ type: 'string', enum: values })
}

function flags(...names: string[]): Parameters {
  return Object.fromEntries(names.map(name => [name, optional(flag)]))
}

function formatted(format: Verifier | PropertyFormat): Property {
  return optional({ type: 'string', format })
}

function matching(pattern: RegExp): Property {
  return optional({ type: 'string', pattern })
}

function atLeast(minimum: number, maximum?: number): Property {
  return optional({ ...integer, minimum, ...(maximum !== undefined && { maximum }) })
}

const LOCKS = [
  ...['backup', 'clone', 'create', 'migrate', 'rollback', 'snapshot', 'snapshot-delete', 'suspending'],
  'suspended',
]

const OS_TYPES = [
  ...['other', 'wxp', 'w2k', 'w2k3', 'w2k8', 'wvista', 'win7', 'win8', 'win10', 'win11', 'l24', 'l26'],
  'solaris',
]

const SCSI_CONTROLLERS = ['lsi', 'lsi53c810', 'virtio-scsi-pci', 'virtio-scsi-single', 'megasas', 'pvscsi']

const KEYBOARDS = [
  ...['de', 'de-ch', 'da', 'en-gb', 'en-us', 'es', 'fi', 'fr', 'fr-be', 'fr-ca', 'fr-ch', 'hu', 'is', 'it'],
  ...['ja', 'lt', 'mk', 'nl', 'no', 'pl', 'pt', 'pt-br', 'sv', 'sl', 'tr'],
]

/** Parameters of `POST .../qemu` and the config operations, except node and VMID. */
export const vmOptions: Parameters = {
  ...flags('acpi', 'allow-ksm', 'autostart', 'ciupgrade', 'freeze', 'keephugepages', 'kvm', 'localtime'),
  ...flags('numa', 'onboot', 'protection', 'reboot', 'tablet', 'tdf', 'template'),
  ...driveOptions,
  affinity: formatted(cpuSet),
  agent: formatted(agentFormat),
  'amd-sev': formatted(sevFormat),
  arch: oneOf('x86_64', 'aarch64'),
  args: optional(text),
  audio0: formatted(audioFormat),
  balloon: atLeast(0),
  bios: oneOf('seabios', 'ovmf'),
  boot: formatted(bootFormat),
  bootdisk: { ...formatted(bootDisk), pattern: /^(ide|sata|scsi|virtio)\d+$/ },
  cdrom: cdromOption,
  cicustom: formatted(ciCustomFormat),
  cipassword: optional(text),
  citype: oneOf('configdrive2', 'nocloud', 'opennebula'),
  ciuser: optional(text),
  cores: atLeast(1),
  cpu: formatted(cpuFormat),
  cpulimit: optional({ type: 'number', minimum: 0, maximum: 128 }),
  cpuunits: atLeast(1, 262_144),
  description: optional({ ...text, maxLength: 8192 }),
  hookscript: formatted(volumeId),
  'hostpci[n]': family(16, formatted(hostPciFormat)),
  hotplug: formatted(hotplug),
  hugepages: oneOf('any', '2', '1024'),
  'intel-tdx': formatted(tdxFormat),
  'ipconfig[n]': family(32, formatted(ipConfigFormat)),
  ivshmem: formatted(ivshmemFormat),
  keyboard: oneOf(...KEYBOARDS),
  lock: oneOf(...LOCKS),
  machine: formatted(machineFormat),
  memory: formatted(memoryFormat),
  migrate_downtime: optional({ type: 'number', minimum: 0 }),
  migrate_speed: atLeast(0),
  name: formatted(dnsNameFormat),
  nameserver: formatted(listOf(address)),
  'net[n]': family(32, formatted(nicFormat)),
  'numa[n]': family(8, formatted(numaFormat)),
  ostype: oneOf(...OS_TYPES),
  'parallel[n]': family(3, matching(/^\/dev\/parport\d+|\/dev\/usb\/lp\d+$/)),
  rng0: formatted(rngFormat),
  scsihw: oneOf(...SCSI_CONTROLLERS),
  searchdomain: optional(text),
  'serial[n]': family(4, matching(/^(\/dev\/[^,]+|socket)$/)),
  shares: atLeast(0, 50_000),
  smbios1: { ...formatted(smbiosFormat), maxLength: 512 },
  smp: atLeast(1),
  sockets: atLeast(1),
  spice_enhancements: formatted(spiceFormat),
  // Clients percent-encode keys twice. The config keeps them encoded once.
  sshkeys: formatted(urlEncoded),
  startdate: matching(/^(now|\d{4}-\d{1,2}-\d{1,2}(T\d{1,2}:\d{1,2}:\d{1,2})?)$/),
  startup: formatted(startupOrder),
  tags: formatted(listOf(tag)),
  'usb[n]': family(14, formatted(usbFormat)),
  vcpus: atLeast(1),
  vga: formatted(vgaFormat),
  'virtiofs[n]': family(10, formatted(virtiofsFormat)),
  vmgenid: matching(/^(?:[a-fA-F0-9]{8}(?:-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}|[01])$/),
  vmstatestorage: optional(storageId),
  watchdog: formatted(watchdogFormat),
}

const CLOUD_INIT = [
  ...['cicustom', 'cipassword', 'citype', 'ciuser', 'ciupgrade', 'nameserver', 'searchdomain', 'sshkeys'],
]

/** Checks for an option of the cloud-init drive. The drive also depends on `name` and the MAC addresses. */
export function isCloudInitOption(key: string): boolean {
  return CLOUD_INIT.includes(key) || /^ipconfig\d+$/.test(key)
}

const PRIVILEGES: [privilege: string, keys: string[], pattern?: RegExp][] = [
  [
    'VM.Config.CPU',
    ['cores', 'cpu', 'cpulimit', 'cpuunits', 'numa', 'runningcpu', 'smp', 'sockets', 'vcpus'],
    /^numa\d+$/,
  ],
  ['VM.Config.Memory', ['memory', 'balloon', 'shares', 'allow-ksm']],
  [
    'VM.Config.HWType',
    [
      ...['acpi', 'audio0', 'hotplug', 'kvm', 'machine', 'rng0', 'runningmachine', 'scsihw', 'smbios1'],
      ...['tablet', 'vga', 'watchdog'],
    ],
  ],
  [
    'VM.Config.Options',
    [
      ...['agent', 'autostart', 'bios', 'description', 'keyboard', 'localtime', 'migrate_downtime'],
      ...['migrate_speed', 'name', 'onboot', 'ostype', 'protection', 'reboot', 'startdate', 'startup', 'tdf'],
      'template',
    ],
  ],
  ['VM.PowerMgmt', ['freeze']],
  ['VM.Config.Disk', ['boot', 'bootdisk', 'vmstatestorage']],
  ['VM.Config.Network', [], /^net\d+$/],
]

/** Returns the privileges of which one is enough to change an option. Undefined: only root may. Not for devices. */
export function privilegesToChange(key: string): string[] | undefined {
  if (isCloudInitOption(key)) return ['VM.Config.Cloudinit', 'VM.Config.Network']
  const found = PRIVILEGES.find(([, keys, pattern]) => keys.includes(key) || pattern?.test(key))
  return found && [found[0]]
}

/** Options that a config can have and no request can set. */
const INTERNAL = [
  ...['meta', 'parent', 'running-nets-host-mtu', 'runningcpu', 'runningmachine', 'snaptime', 'vmstate'],
]

/** Checks whether a config can have an option. */
export function isConfigOption(key: string): boolean {
  return INTERNAL.includes(key) || findProperty(vmOptions, key) !== undefined
}

/** Checks for an option whose value Proxmox sends as a JSON number. */
export function isNumericOption(key: string): boolean {
  const type = findProperty(vmOptions, key)?.type
  return type === 'integer' || type === 'boolean'
}
