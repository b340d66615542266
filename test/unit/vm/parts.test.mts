import { expect, test } from 'vitest'
import { partNames, partsOf, slotsOf } from '../../../scripts/lib/vm/look/parts.mts'

const config = {
  name: 'web-1',
  boot: 'order=scsi0',
  scsihw: 'virtio-scsi-single',
  ide2: 'tank:vm-100-cloudinit,media=cdrom',
  scsi0: 'tank:vm-100-disk-0,size=10G',
  net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0',
  serial0: 'socket',
}
/** Nobody wrote anything down. */
const _nothing = { made: undefined, added: {} }
const slots = (parts: { slot: string }[]) => parts.map(({ slot }) => slot)

/** Nobody wrote anything down. */
const nothing = { made: undefined, added: {}, volumes: [] }

test('what a VM was made with is ours', () => {
  const { ours, foreignDevices, foreignDisks } = partsOf(config, nothing)
  expect(slots(ours)).toEqual(['ide2', 'net0', 'scsi0', 'serial0'])
  expect([...foreignDevices, ...foreignDisks]).toEqual([])
})

test('what somebody added is told apart: devices, and disks with detached ones', () => {
  const { foreignDevices, foreignDisks } = partsOf(
    {
      ...config,
      net1: 'virtio=BC:24:11:00:00:02,bridge=vmbr0,tag=20',
      hostpci0: '0000:01:00.0',
      usb0: 'host=1234:5678',
      ide3: 'local:iso/debian.iso,media=cdrom',
      scsi10: 'other:vm-100-disk-2,size=4G',
      scsi2: 'other:vm-100-disk-1,size=4G',
      unused0: 'tank:vm-100-disk-3',
    },
    nothing,
  )
  expect(slots(foreignDevices)).toEqual(['hostpci0', 'ide3', 'net1', 'usb0'])
  expect(slots(foreignDisks)).toEqual(['scsi2', 'scsi10', 'unused0'])
  expect(partNames(foreignDisks)).toContain('scsi2 (other:vm-100-disk-1,size=4G), scsi10 (')
})

test('a second card and a second disk of the VM template are ours, if they were written down', () => {
  const made = {
    ...config,
    net1: 'virtio=BC:24:11:00:00:02,bridge=vmbr0',
    scsi1: 'tank:vm-100-disk-1,size=1G',
  }
  const later = partsOf(
    { ...made, net2: 'virtio=BC:24:11:00:00:03,bridge=vmbr0' },
    { made: slotsOf(made), added: {}, volumes: [] },
  )
  expect(slots(later.foreignDevices)).toEqual(['net2'])
  expect(later.foreignDisks).toEqual([])
})

test('root disks that a rebuild put aside are ours, as long as they are unused', () => {
  const aside = {
    unused0: 'tank:vm-100-disk-3',
    unused1: 'tank:vm-100-disk-4',
    scsi3: 'tank:vm-100-disk-5,size=1G',
  }
  const volumes = ['tank:vm-100-disk-3', 'tank:vm-100-disk-5']
  const { foreignDisks } = partsOf({ ...config, ...aside }, { made: undefined, added: {}, volumes })
  expect(slots(foreignDisks)).toEqual(['scsi3', 'unused1'])
})

test('the disk that an imported VM boots from is ours, whatever its slot', () => {
  const imported = {
    boot: 'order=virtio0;net0',
    virtio0: 'tank:vm-1-disk-0,size=8G',
    virtio1: 'tank:vm-1-disk-1,size=1G',
  }
  expect(slots(partsOf(imported, nothing).foreignDisks)).toEqual(['virtio1'])
})

test('the seed is ours in whatever drive, and so is a cloud-init drive that was moved', () => {
  const { ours, foreignDevices } = partsOf(
    {
      ide0: 'local:iso/proxmint-web-1-id.iso,media=cdrom,size=366K',
      sata1: 'tank:vm-100-cloudinit,media=cdrom',
    },
    { made: ['net0'], added: {}, volumes: [] },
  )
  expect(slots(ours)).toEqual(['ide0', 'sata1'])
  expect(foreignDevices).toEqual([])
})

test.each([
  [{ protection: 1 }, true, undefined],
  [{ protection: 0, lock: 'backup' }, false, 'backup'],
  [{}, false, undefined],
])('%j: protected %s, lock %s', (state, isProtected, lock) => {
  expect(partsOf({ ...config, ...state }, nothing)).toMatchObject({ isProtected, lock })
})
