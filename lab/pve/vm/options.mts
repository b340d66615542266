/** Options of a VM's config: types, and the privilege for changing each one (PVE/QemuServer.pm, PVE/API2/Qemu.pm). */

import { dnsName, flag, integer, optional, type Parameters, text } from '../core/parameters.mts'
import { isDriveSlot, parseDrive, parseProperties } from './drive.mts'

function oneOf(...values: string[]): Parameters[string] {
  return optional({ type: 'string', enum: values })
}

function flags(...names: string[]): Parameters {
  return Object.fromEntries(names.map(name => [name, optional(flag)]))
}

function texts(...names: string[]): Parameters {
  return Object.fromEntries(names.map(name => [name, optional(text)]))
}

/** Declares an option of `key=value` parts. @param first key for a part without `=`. */
function properties(first: string, isValid: (parts: Record<string, string>) => boolean): Parameters[string] {
  return optional({
    type: 'string',
    check: (value: string) =>
      isValid(parseProperties(value, first)) ? undefined : `invalid format - format error\n`,
  })
}

const drive = optional({
  type: 'string',
  check: (value: string) =>
    parseDrive(value) ? undefined : 'invalid format - format error\nfile: missing\n',
})

const NIC_MODELS = [
  ...['virtio', 'e1000', 'e1000e', 'rtl8139', 'vmxnet3', 'i82551', 'i82557b', 'i82559er', 'ne2k_pci'],
  'pcnet',
]

export function isNicModel(name: string): boolean {
  return NIC_MODELS.includes(name)
}

const nic = properties(
  'model',
  parts => Object.keys(parts).some(isNicModel) || isNicModel(parts['model'] ?? ''),
)

/** Public SSH keys. Clients percent-encode them twice; the config keeps them encoded once. */
const sshKeys = optional({
  type: 'string',
  check: (value: string) =>
    /^[-%a-zA-Z0-9_.!~*'()]*$/.test(value) ? undefined : 'invalid format - invalid urlencoded string\n',
})

const LOCKS = [
  ...['backup', 'clone', 'create', 'migrate', 'rollback', 'snapshot', 'snapshot-delete', 'suspending'],
  'suspended',
]

const OS_TYPES = [
  ...['other', 'wxp', 'w2k', 'w2k3', 'w2k8', 'wvista', 'win7', 'win8', 'win10', 'win11', 'l24', 'l26'],
  'solaris',
]

const SCSI_CONTROLLERS = ['lsi', 'lsi53c810', 'virtio-scsi-pci', 'virtio-scsi-single', 'megasas', 'pvscsi']

/** Parameters of `POST .../qemu` and the config operations, except node and VMID. */
export const vmOptions: Parameters = {
  ...flags('acpi', 'allow-ksm', 'autostart', 'ciupgrade', 'freeze', 'keephugepages', 'kvm', 'localtime'),
  ...flags('numa', 'onboot', 'protection', 'reboot', 'tablet', 'tdf', 'template'),
  ...texts('affinity', 'amd-sev', 'args', 'audio0', 'boot', 'bootdisk', 'cdrom', 'cicustom', 'cipassword'),
  ...texts('ciuser', 'cpu', 'description', 'hookscript', 'hotplug', 'hostpci[n]', 'intel-tdx'),
  ...texts('ipconfig[n]', 'ivshmem'),
  ...texts('keyboard', 'machine', 'nameserver', 'numa[n]', 'parallel[n]', 'rng0', 'searchdomain', 'smbios1'),
  ...texts('spice_enhancements', 'startdate', 'startup', 'tags', 'unused[n]', 'usb[n]', 'vga', 'virtiofs[n]'),
  ...texts('vmgenid', 'vmstatestorage', 'watchdog'),
  agent: properties('enabled', parts => /^(0|1|on|off|yes|no|true|false)$/i.test(parts['enabled'] ?? '')),
  arch: oneOf('x86_64', 'aarch64'),
  balloon: optional({ ...integer, minimum: 0 }),
  bios: oneOf('seabios', 'ovmf'),
  citype: oneOf('configdrive2', 'nocloud', 'opennebula'),
  cores: optional({ ...integer, minimum: 1 }),
  cpulimit: optional({ type: 'number', minimum: 0, maximum: 128 }),
  cpuunits: optional({ ...integer, minimum: 1, maximum: 262_144 }),
  efidisk0: drive,
  hugepages: oneOf('any', '2', '1024'),
  'ide[n]': drive,
  lock: oneOf(...LOCKS),
  memory: properties(
    'current',
    parts => /^\d+$/.test(parts['current'] ?? '') && Number(parts['current']) >= 16,
  ),
  migrate_downtime: optional({ type: 'number', minimum: 0 }),
  migrate_speed: optional({ ...integer, minimum: 0 }),
  name: optional(dnsName),
  'net[n]': nic,
  ostype: oneOf(...OS_TYPES),
  'sata[n]': drive,
  'scsi[n]': drive,
  scsihw: oneOf(...SCSI_CONTROLLERS),
  'serial[n]': optional({ type: 'string', pattern: /^(\/dev\/.+|socket)$/ }),
  shares: optional({ ...integer, minimum: 0, maximum: 50_000 }),
  smp: optional({ ...integer, minimum: 1 }),
  sockets: optional({ ...integer, minimum: 1 }),
  sshkeys: sshKeys,
  tpmstate0: drive,
  vcpus: optional({ ...integer, minimum: 1 }),
  'virtio[n]': drive,
}

/** Options that a running guest does not see before its next start. */
const APPLIED_AT_ONCE = new Set([
  ...['autostart', 'description', 'hookscript', 'lock', 'name', 'onboot', 'protection', 'shares', 'startup'],
  ...['tags', 'vmstatestorage'],
])

/** Checks whether a change applies to a running VM at once. Others wait for its next start. */
export function isAppliedAtOnce(key: string): boolean {
  return APPLIED_AT_ONCE.has(key) || /^(net|scsi|virtio|unused|usb)\d+$/.test(key)
}

const CLOUD_INIT = [
  ...['cicustom', 'cipassword', 'citype', 'ciuser', 'ciupgrade', 'nameserver', 'searchdomain', 'sshkeys'],
]

/** Checks for an option of the cloud-init drive. The drive also depends on `name` and the MAC addresses. */
export function isCloudInitOption(key: string): boolean {
  return CLOUD_INIT.includes(key) || /^ipconfig\d+$/.test(key)
}

const PRIVILEGES: [privilege: string, keys: string[], pattern?: RegExp][] = [
  ['VM.Config.CPU', ['cores', 'cpu', 'cpulimit', 'cpuunits', 'numa', 'smp', 'sockets', 'vcpus'], /^numa\d+$/],
  ['VM.Config.Memory', ['memory', 'balloon', 'shares']],
  [
    'VM.Config.HWType',
    ['acpi', 'hotplug', 'kvm', 'machine', 'scsihw', 'smbios1', 'tablet', 'vga', 'watchdog', 'audio0', 'rng0'],
  ],
  [
    'VM.Config.Options',
    [
      ...['agent', 'allow-ksm', 'autostart', 'bios', 'description', 'keyboard', 'localtime'],
      ...['migrate_downtime', 'migrate_speed', 'name', 'onboot', 'ostype', 'protection', 'reboot'],
      ...['startdate', 'startup', 'tdf', 'template', 'tags'],
    ],
  ],
  ['VM.PowerMgmt', ['freeze']],
  ['VM.Config.Disk', ['boot', 'bootdisk', 'vmstatestorage'], /^unused\d+$/],
  ['VM.Config.Network', [], /^net\d+$/],
]

/** Returns the privileges of which one is enough to change an option. Undefined: only root may. Not for drives. */
export function privilegesToChange(key: string, value: string | undefined): string[] | undefined {
  if (isCloudInitOption(key)) return ['VM.Config.Cloudinit', 'VM.Config.Network']
  // Only root may connect a serial port to a device of the host. A socket is harmless.
  if (/^serial\d+$/.test(key))
    return value === undefined || value === 'socket' ? ['VM.Config.HWType'] : undefined
  const found = PRIVILEGES.find(([, keys, pattern]) => keys.includes(key) || pattern?.test(key))
  return found && [found[0]]
}

/** Options whose values Proxmox sends as JSON numbers. */
const NUMERIC = new Set(
  Object.entries(vmOptions)
    .filter(([key, parameter]) => ['integer', 'boolean'].includes(parameter.type) && !isDriveSlot(key))
    .map(([key]) => key),
)

export function isNumericOption(key: string): boolean {
  return NUMERIC.has(key)
}
