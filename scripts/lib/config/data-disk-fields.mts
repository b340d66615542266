/** The keys of a data disk: `--data-disk name=data,size=20,mount=/data`. */
import type { RecordField } from './vm-option.mts'

export const DATA_DISK_FIELDS = {
  // The name is the serial number that the guest sees, of which QEMU takes 20 characters.
  name: {
    kind: 'text',
    required: true,
    pattern: '^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$',
    wording: 'at most 20 small letters, digits and hyphens, with a letter in front',
    help: 'its name, which the guest sees as the serial number of the disk',
  },
  size: {
    kind: 'integer',
    required: true,
    range: { min: 1, max: 131_072 },
    unit: 'GiB',
    help: 'its size; it grows and never shrinks',
  },
  storage: {
    kind: 'text',
    pattern: '^[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]$',
    wording: 'the name of a storage',
    help: 'the storage it is made on; default: that of the root disk',
  },
  ssd: { kind: 'toggle', help: 'whether the guest takes it for an SSD' },
  discard: { kind: 'toggle', help: 'whether the storage gets back the room that the guest frees' },
  backup: { kind: 'toggle', help: 'whether the backups of Proxmox have it' },
  keep: { kind: 'toggle', help: 'whether it is lost only by `vm destroy NAME --allow data-loss`' },
  mount: {
    kind: 'text',
    pattern: '^(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+$',
    wording: 'a folder: /data, /var/lib/app',
    help: 'where cloud-init mounts it; an empty disk gets a file system before',
  },
  filesystem: {
    kind: 'text',
    choices: ['ext4', 'xfs'],
    help: 'the file system of an empty disk that is mounted; default: ext4',
  },
} as const satisfies Readonly<Record<string, RecordField>>
