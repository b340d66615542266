import { describe, expect, test } from 'vitest'
import {
  bootDiskOf,
  disksOf,
  storagesOfDisks,
  storagesOfDrives,
} from '../../../scripts/lib/proxmox/vm-devices.mts'

/** A VM by UEFI with a TPM, in the order of Proxmox's JSON, which is any. */
const config = {
  tpmstate0: 'safe:vm-100-disk-2,size=4M,version=v2.0',
  efidisk0: 'fast:vm-100-disk-1,efitype=4m,pre-enrolled-keys=1,size=528K',
  ide2: 'local:vm-100-cloudinit,media=cdrom',
  scsi0: 'tank:vm-100-disk-0,size=8G',
  boot: 'order=scsi0',
}

describe('a VM by UEFI with a TPM', () => {
  test('has one disk, from which it boots', () => {
    expect(disksOf(config)).toEqual({ scsi0: 'tank:vm-100-disk-0' })
    expect(bootDiskOf(config)).toBe('scsi0')
  })

  test('is copied to the storages of all three; that of its disk comes first', () => {
    const [first, ...others] = storagesOfDisks(config)
    expect(first).toBe('tank')
    expect(others.toSorted()).toEqual(['fast', 'safe'])
    expect([...storagesOfDrives(config)].toSorted()).toEqual(['fast', 'local', 'safe', 'tank'])
  })
})
