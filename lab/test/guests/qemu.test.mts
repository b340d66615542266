import { access, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { run } from '../../core/process.mts'
import { chooseAccelerator, runsUnderKvm } from '../../guests/qemu/accelerator.mts'
import { type MachineParts, machineArguments } from '../../guests/qemu/command-line.mts'
import { cloneDisk, createDisk, deleteDisk, importImage, resizeDisk } from '../../guests/qemu/disk.mts'
import { writeSeedIso } from '../../guests/qemu/machine.mts'
import { ovmfFiles } from '../../guests/qemu/ovmf.mts'
import { missingPackages, requireMachines } from '../../guests/qemu/requirements.mts'
import { guestStart } from './driver-client.mts'

const missing = await missingPackages()
if (missing.length > 0) {
  console.warn(`SKIPPED: tests of disks and KVM of real machines. Not installed: ${missing.join(', ')}`)
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proxmint-qemu-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const MIB = 1024 ** 2
const inFolder = (name: string) => join(folder, name)
const qemuImg = (...args: string[]) => run('qemu-img', args)
const qemuIo = (command: string, path: string) => run('qemu-io', ['-c', command, path])
const infoOf = async (path: string) => JSON.parse(await qemuImg('info', '--output=json', path))
const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

async function program(name: string, text: string): Promise<string> {
  const path = inFolder(name)
  await writeFile(path, `#!/bin/bash\n${text}\n`)
  await chmod(path, 0o755)
  return path
}

describe.skipIf(missing.length > 0)('disks', () => {
  /** 8 MiB of 0x5a. */
  let image: string

  beforeAll(async () => {
    image = inFolder('image.qcow2')
    await qemuImg('create', '-q', '-f', 'qcow2', image, String(8 * MIB))
    await qemuIo('write -P 0x5a 0 8M', image)
  })

  const holdsImage = (path: string) => qemuIo('read -P 0x5a 0 8M', path)

  test('a downloaded qcow2 is imported with its size and contents', async () => {
    const disk = inFolder('imported')
    expect(await importImage(image, disk)).toBe(8 * MIB)
    expect(await infoOf(disk)).toMatchObject({ format: 'qcow2', 'virtual-size': 8 * MIB })
    expect(await holdsImage(disk)).not.toContain('Pattern verification failed')
  })

  test('a downloaded raw image becomes the same disk', async () => {
    const [raw, disk] = [inFolder('image.raw'), inFolder('from-raw')]
    await qemuImg('convert', '-O', 'raw', image, raw)
    expect(await importImage(raw, disk)).toBe(8 * MIB)
    expect(await infoOf(disk)).toMatchObject({ format: 'qcow2' })
    expect(await holdsImage(disk)).not.toContain('Pattern verification failed')
  })

  test('a file that is no qcow2 but says so is refused, and nothing is left', async () => {
    const [liar, disk] = [inFolder('liar.qcow2'), inFolder('from-liar')]
    await writeFile(liar, 'an error page')
    await expect(importImage(liar, disk)).rejects.toThrow(`${liar} is not a qcow2 image`)
    expect(await exists(disk)).toBe(false)
  })

  test('an image that reads another file of this machine is refused', async () => {
    const [secret, spy, disk] = [inFolder('secret'), inFolder('spy.qcow2'), inFolder('from-spy')]
    await writeFile(secret, Buffer.alloc(MIB, 's'))
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', secret, '-F', 'raw', spy)
    await expect(importImage(spy, disk)).rejects.toThrow(`refers to another file, ${secret}`)
    expect(await exists(disk)).toBe(false)
  })

  test('a full clone stands alone, also one of a linked clone', async () => {
    const [base, linked, full] = [inFolder('base-1'), inFolder('linked-1'), inFolder('full-1')]
    await importImage(image, base)
    await cloneDisk(base, linked, 'linked')
    await cloneDisk(linked, full, 'full')
    await deleteDisk(base)
    expect(await infoOf(full)).not.toHaveProperty('backing-filename')
    expect(await holdsImage(full)).not.toContain('Pattern verification failed')
    await expect(holdsImage(linked)).rejects.toThrow('Could not open backing file')
  })

  test('a linked clone takes no room, and leaves its base as it is', async () => {
    const [base, linked] = [inFolder('base-2'), inFolder('linked-2')]
    await importImage(image, base)
    const before = await readFile(base)
    await cloneDisk(base, linked, 'linked')
    expect((await infoOf(linked))['actual-size']).toBeLessThan(MIB)
    expect((await infoOf(linked))['backing-filename']).toBe('base-2')
    await qemuIo('write -P 0x11 0 1M', linked)
    expect((await readFile(base)).equals(before)).toBe(true)
  })

  test('a disk grows, and does not shrink', async () => {
    const disk = inFolder('growing')
    await createDisk(disk, 8 * MIB)
    await resizeDisk(disk, 16 * MIB)
    expect(await infoOf(disk)).toMatchObject({ 'virtual-size': 16 * MIB })
    await expect(resizeDisk(disk, 4 * MIB)).rejects.toThrow('shrinking it to 4194304 is not supported')
    expect(await infoOf(disk)).toMatchObject({ 'virtual-size': 16 * MIB })
  })

  test('what is deleted is gone; deleting it again is no failure', async () => {
    const disk = inFolder('deleted')
    await createDisk(disk, MIB)
    await deleteDisk(disk)
    await deleteDisk(disk)
    expect(await exists(disk)).toBe(false)
  })
})

describe.skipIf(missing.length > 0)('KVM', () => {
  test('a probe guest that hangs is given up on within five seconds', async () => {
    const hanging = await program('hanging', 'exec sleep 60')
    const start = performance.now()
    expect(await runsUnderKvm({ folder, program: hanging })).toBe(false)
    expect(performance.now() - start).toBeLessThan(7000)
  })

  test('a QEMU that fails or is not there means no KVM', async () => {
    expect(await runsUnderKvm({ folder, program: await program('failing', 'exit 1') })).toBe(false)
    expect(await runsUnderKvm({ folder, program: inFolder('absent') })).toBe(false)
  })

  test('the probe guest itself gets through: emulated, it says what KVM has to say', async () => {
    // The same machine without KVM.
    const emulating = await program('emulating', 'exec qemu-system-x86_64 "$' + '{@/kvm/tcg}"')
    expect(await runsUnderKvm({ folder, program: emulating, timeoutMs: 60_000 })).toBe(true)
  })

  test('the choice on this machine is made in time', async () => {
    const start = performance.now()
    expect(['kvm', 'tcg']).toContain(await chooseAccelerator({ folder }))
    expect(performance.now() - start).toBeLessThan(7000)
  })
})

describe('the machine', () => {
  const parts: MachineParts = {
    accelerator: 'tcg',
    consolePath: '/run/console',
    seed: undefined,
    taps: ['tap100i0'],
    flash: undefined,
  }
  const linesOf = (changes = {}, more: Partial<MachineParts> = {}) =>
    machineArguments(guestStart('/disks/a', changes), { ...parts, ...more }).join(' ')

  test('has its disk, network card and agent port where the config says', () => {
    const line = linesOf()
    expect(line).toContain('-device virtio-scsi-pci,id=scsi -drive file=/disks/a,format=qcow2')
    expect(line).toContain('-device scsi-hd,bus=scsi.0,scsi-id=0,drive=drive-scsi0,bootindex=1')
    expect(line).toContain('virtio-net-pci,netdev=net0,mac=BC:24:11:00:00:01')
    expect(line).toContain('name=org.qemu.guest_agent.0')
  })

  test('has no agent port unless the config gives it one', () => {
    expect(linesOf({ agentChannel: false })).not.toContain('guest_agent')
  })

  test.each([
    ['ide2', 'ide-cd,bus=ide.1,unit=0,drive=drive-ide2'],
    ['ide1', 'ide-cd,bus=ide.0,unit=1,drive=drive-ide1'],
    ['sata3', 'ide-cd,bus=sata.3,drive=drive-sata3'],
    ['scsi1', 'scsi-cd,bus=scsi.0,scsi-id=1,drive=drive-scsi1'],
  ])('has the CD of %s there', (slot, device) => {
    expect(linesOf({ cdroms: [{ slot, path: '/iso' }] })).toContain(device)
  })

  test.each([
    ['ide0', 'ide-cd,bus=ide.0,unit=0,drive=drive-ide0'],
    ['ide1', 'ide-cd,bus=ide.2,unit=0,drive=drive-ide1'],
    ['ide2', 'ide-cd,bus=ide.1,unit=0,drive=drive-ide2'],
    ['ide3', 'ide-cd,bus=ide.3,unit=0,drive=drive-ide3'],
  ])('of type q35 has the CD of %s on a bus of its own', (slot, device) => {
    const line = linesOf({ machine: 'q35', cdroms: [{ slot, path: '/iso' }] })
    expect(line).toContain('-machine q35 ')
    expect(line).toContain(device)
  })

  test('has its firmware in flash memory, and the variables in the disk of the VM', () => {
    const flash = { code: '/ovmf/code', variables: { path: '/disks/efi', format: 'qcow2' as const } }
    const line = linesOf({}, { flash })
    expect(line).toContain('if=pflash,unit=0,format=raw,readonly=on,file=/ovmf/code')
    expect(line).toContain('if=pflash,unit=1,id=drive-efidisk0,format=qcow2,file=/disks/efi')
    expect(linesOf()).not.toContain('pflash')
  })

  test('has a TPM where the config has one', () => {
    expect(linesOf({ tpm: { path: '/disks/tpm', version: 'v2.0' } })).toContain(
      '-device tpm-tis,tpmdev=tpmdev',
    )
    expect(linesOf()).not.toContain('tpm')
  })

  test.each([
    [{ type: '4m', machine: 'q35', keys: true }, 'OVMF_CODE_4M.secboot.fd', 'OVMF_VARS_4M.ms.fd'],
    [{ type: '4m', machine: 'q35', keys: false }, 'OVMF_CODE_4M.secboot.fd', 'OVMF_VARS_4M.fd'],
    [{ type: '4m', machine: 'pc', keys: true }, 'OVMF_CODE_4M.fd', 'OVMF_VARS_4M.ms.fd'],
    [{ type: '2m', machine: 'q35', keys: false }, 'OVMF_CODE.fd', 'OVMF_VARS.fd'],
  ] as const)('with %j runs the firmware that Proxmox takes', (kind, code, variables) => {
    expect(ovmfFiles(kind)).toEqual({
      code: `/usr/share/OVMF/${code}`,
      variables: `/usr/share/OVMF/${variables}`,
    })
  })

  test.each([
    ['lsi', 'lsi53c895a'],
    ['megasas', 'megasas'],
    ['virtio-scsi-pci', 'virtio-scsi-pci'],
  ])('has the controller %s', (scsiController, device) => {
    expect(linesOf({ scsiController })).toContain(`-device ${device},id=scsi`)
  })

  test('has the serial number of a disk, which does not become its id', () => {
    const line = linesOf({ disks: [{ slot: 'scsi1', path: '/x', serial: 'data,1' }] })
    expect(line).toContain('drive=drive-scsi1,bootindex=1,device_id=drive-scsi1,serial=data,,1')
  })

  test('takes names and paths with a comma for what they are', () => {
    const line = linesOf({ name: 'a,b', disks: [{ slot: 'virtio0', path: '/x,readonly=on' }] })
    expect(line).toContain('-name a,,b ')
    expect(line).toContain('file=/x,,readonly=on,format=qcow2')
  })
})

describe.skipIf(missing.length > 0)('the cloud-init drive', () => {
  test('is a NoCloud ISO with the files as they were given', async () => {
    const drive = { userData: '#cloud-config\n', metaData: 'instance-id: x\n', networkConfig: 'version: 1\n' }
    const iso = await writeSeedIso(drive, await mkdtemp(inFolder('seed-')))
    const info = await run('isoinfo', ['-d', '-i', iso])
    expect(info).toContain('Volume id: cidata')
    const read = (name: string) => run('isoinfo', ['-J', '-x', `/${name}`, '-i', iso])
    expect(await read('user-data')).toBe(drive.userData)
    expect(await read('meta-data')).toBe(drive.metaData)
    expect(await read('network-config')).toBe(drive.networkConfig)
  })
})

describe('what real machines need', () => {
  test('is named at once, with the line that installs it', async () => {
    vi.stubEnv('PATH', folder)
    const failure = requireMachines({ kind: 'root', description: '' })
    await expect(failure).rejects.toMatchObject({
      message: expect.stringMatching(/not installed: qemu-system-x86, qemu-utils, genisoimage/),
      hint: expect.stringContaining('as root: apt-get install'),
    })
    vi.unstubAllEnvs()
  })

  test.skipIf(missing.length > 0)('includes a network of their own', async () => {
    await expect(requireMachines({ kind: 'loopback', description: '' })).rejects.toMatchObject({
      message: 'real machines need a network namespace with a bridge, which is not allowed here',
      hint: expect.stringContaining('--guests sim'),
    })
  })
})
