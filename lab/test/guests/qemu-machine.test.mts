/** Real machines without an operating system: what they boot is a sector of a few instructions. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { isAccessible } from '../../core/files.mts'
import { run } from '../../core/process.mts'
import type { GuestStart } from '../../guests/driver.mts'
import { requireMachines } from '../../guests/qemu/requirements.mts'
import { chooseIsolation } from '../../network/isolation.mts'
import { type DriverHost, guestStart, startHost } from './driver-client.mts'

const cannotRun = await chooseIsolation()
  .then(requireMachines)
  .then(
    () => undefined,
    (error: Error) => error.message,
  )
if (cannotRun !== undefined) console.warn(`SKIPPED: tests of QEMU machines. ${cannotRun}`)

const noUefi = (
  await Promise.all(
    ['/usr/share/OVMF/OVMF_CODE_4M.secboot.fd', '/usr/bin/swtpm'].map(async path =>
      (await isAccessible(path)) ? [] : [path],
    ),
  )
).flat()[0]
if (noUefi !== undefined) console.warn(`SKIPPED: tests of UEFI and TPM. ${noUefi} is missing`)

/** Machine code that writes `B` to the first serial port ... */
const SAY_B = 'baf803b042ee'
/** ... then waits for ever, */
const WAIT = 'f4ebfd'
/** or tells the chipset to power off. */
const POWER_OFF = 'ba0406b80020ef'

describe.skipIf(cannotRun !== undefined)('a machine', () => {
  let driver: DriverHost
  let disks = 0

  beforeAll(async () => {
    driver = await startHost('qemu', [])
  })
  afterAll(() => driver?.close())
  afterEach(() => driver.call('stop', 100).catch(() => undefined))

  async function diskWith(code: string): Promise<string> {
    disks += 1
    const sector = Buffer.alloc(1024 ** 2)
    sector.write(code, 'hex')
    sector.writeUInt16BE(0x55aa, 510)
    const [raw, disk] = [join(driver.folder, `${disks}.raw`), join(driver.folder, `disk-${disks}`)]
    await writeFile(raw, sector)
    await driver.call('importDisk', raw, disk)
    return disk
  }
  const boot = async (code: string, changes: Partial<GuestStart> = {}) => {
    const disk = await diskWith(code)
    await driver.call('start', guestStart(disk, { memory: 64, ...changes }))
    return disk
  }
  /** The firmware says nothing on the serial port. */
  async function consoleSays(text: string): Promise<void> {
    while ((await driver.call('console', 100)) !== text) await sleep(50)
  }
  async function consoleStartsWith(text: string): Promise<void> {
    while (!(await driver.call('console', 100)).startsWith(text)) await sleep(50)
  }
  const tapExists = async () => (await driver.exec(['ip', 'link', 'show', 'tap100i0'])).code === 0

  test('runs what is on its first disk; its serial console is kept', async () => {
    await boot(SAY_B + WAIT)
    await consoleSays('B')
  })

  test('that powers itself off is off, and its network card gone', async () => {
    await boot(SAY_B + POWER_OFF + WAIT)
    expect(await driver.call('exited', 100)).toEqual({ reason: 'poweroff' })
    expect(await driver.call('console', 100)).toBe('B')
    expect(await tapExists()).toBe(false)
  })

  test('boots once more on the reset button', async () => {
    await boot(SAY_B + WAIT)
    await consoleSays('B')
    await driver.call('reset', 100)
    await consoleSays('BB')
  })

  test('is gone when the plug is pulled, and can be started again at once', async () => {
    const disk = await boot(WAIT)
    expect(await tapExists()).toBe(true)
    await driver.call('stop', 100)
    expect(await driver.call('exited', 100)).toEqual({ reason: 'stopped' })
    expect(await tapExists()).toBe(false)
    await driver.call('start', guestStart(disk, { memory: 64 }))
  })

  test('does not mind a power button that nothing in it listens to', async () => {
    await boot(SAY_B + WAIT)
    await driver.call('shutdown', 100)
    await consoleSays('B')
  })

  test('has no agent while nothing has opened its port', async () => {
    await boot(WAIT)
    await expect(driver.call('agent', 100, 'guest-ping')).rejects.toMatchObject({ name: 'AgentNotRunning' })
  })

  test('sees its disk grow while it runs', async () => {
    const disk = await boot(WAIT)
    await driver.call('resizeDisk', disk, 4 * 1024 ** 2)
    const info = JSON.parse(await run('qemu-img', ['info', '--force-share', '--output=json', disk]))
    expect(info['virtual-size']).toBe(4 * 1024 ** 2)
  })

  /** Writes one letter a turn for ever, with a long wait in between. */
  const SAY_MANY = `baf803b042${'b90000'}${'e2fe'}eeebf8`

  test('stands still while it is paused', async () => {
    await boot(SAY_MANY)
    await consoleStartsWith('BB')
    await driver.call('pause', 100)
    const before = await driver.call('console', 100)
    await sleep(300)
    expect(await driver.call('console', 100)).toBe(before)
    await driver.call('resume', 100)
    while ((await driver.call('console', 100)) === before) await sleep(50)
  })

  test('goes on where it was when it comes from the disk, and does not boot', async () => {
    const disk = await boot(`${SAY_B}baf803b04c${'b90000e2fe'}ebf9`)
    await consoleSays('B')
    const state = join(driver.folder, 'state file')
    await driver.call('hibernate', 100, state)
    expect(await driver.call('exited', 100)).toEqual({ reason: 'stopped' })
    await driver.call('start', guestStart(disk, { memory: 64, state }))
    await sleep(300)
    expect(await driver.call('console', 100)).toBe('')
  })

  test('keeps what its disk was while it runs, and gets it back when it is off', async () => {
    const disk = await boot(WAIT)
    await driver.call('snapshotDisk', disk, 'one')
    await driver.call('resizeDisk', disk, 4 * 1024 ** 2)
    await driver.call('stop', 100)
    const sizeOf = async (path: string) =>
      JSON.parse(await run('qemu-img', ['info', '--output=json', path]))['virtual-size']
    expect(await sizeOf(disk)).toBe(4 * 1024 ** 2)
    await driver.call('rollbackDisk', disk, 'one')
    expect(await sizeOf(disk)).toBe(1024 ** 2)
    const [file, restored] = [join(driver.folder, 'disk.file'), join(driver.folder, 'restored')]
    await driver.call('exportDisk', disk, file, 'one')
    await driver.call('restoreDisk', file, restored)
    await run('qemu-img', ['compare', '-f', 'qcow2', '-F', 'qcow2', disk, restored])
    await driver.call('deleteSnapshot', disk, 'one')
    await expect(driver.call('rollbackDisk', disk, 'one')).rejects.toThrow()
  })

  test('starts with its cloud-init drive, a CD and cards of every kind', async () => {
    const cdrom = join(driver.folder, 'some.iso')
    await writeFile(cdrom, Buffer.alloc(64 * 1024))
    await boot(SAY_B + WAIT, {
      cloudInit: { slot: 'ide2', userData: '#cloud-config\n', metaData: '{}', networkConfig: 'version: 1\n' },
      cdroms: [{ slot: 'sata0', path: cdrom }],
      nics: ['virtio', 'e1000', 'rtl8139', 'vmxnet3'].map((model, index) => ({
        slot: `net${index}`,
        mac: `BC:24:11:00:00:0${index}`,
        bridge: 'vmbr0',
        model,
      })),
    })
    await consoleSays('B')
  })

  test('whose disk is none does not start, in the words of QEMU, and leaves no card behind', async () => {
    const disk = join(driver.folder, 'broken')
    await writeFile(disk, 'not a disk')
    const start = driver.call('start', guestStart(disk, { memory: 64 }))
    await expect(start).rejects.toThrow('Image is not in qcow2 format')
    expect(await tapExists()).toBe(false)
  })

  describe.skipIf(noUefi !== undefined)('with UEFI and a TPM', () => {
    const uefi = { type: '4m', machine: 'q35', keys: true } as const

    /** Boots a disk that the firmware finds nothing on, and waits until the firmware has said so. */
    async function bootFirmware(name: string): Promise<{ variables: string; tpm: string }> {
      const [variables, tpm] = [join(driver.folder, `${name}-efi`), join(driver.folder, `${name}-tpm`)]
      await driver.call('createEfiDisk', variables, uefi)
      await driver.call('createDisk', tpm, 4 * 1024 ** 2)
      await boot(WAIT, {
        ...{ memory: 256, machine: 'q35', uefi: { ...uefi, variables }, tpm: { path: tpm, version: 'v2.0' } },
        cloudInit: {
          slot: 'ide2',
          userData: '#cloud-config\n',
          metaData: '{}',
          networkConfig: 'version: 1\n',
        },
      })
      while (!(await driver.call('console', 100)).includes('BdsDxe: ')) await sleep(200)
      return { variables, tpm }
    }
    const compare = (a: string, b: string) => run('qemu-img', ['compare', a, b])
    const infoOf = async (path: string) =>
      JSON.parse(await run('qemu-img', ['info', '--force-share', '--output=json', path]))

    test('runs its firmware, which keeps its variables in their disk, and the TPM its state', {
      timeout: 300_000,
    }, async () => {
      const { variables, tpm } = await bootFirmware('kept')
      expect((await infoOf(variables))['virtual-size']).toBe(528 * 1024)
      await driver.call('snapshotDisk', tpm, 'one')
      await driver.call('snapshotDisk', variables, 'one')
      await driver.call('stop', 100)
      const [unused, blank] = [join(driver.folder, 'unused'), join(driver.folder, 'blank')]
      await driver.call('createEfiDisk', unused, uefi)
      await driver.call('createDisk', blank, 4 * 1024 ** 2)
      await expect(compare(variables, unused)).rejects.toThrow('Content mismatch')
      await expect(compare(tpm, blank)).rejects.toThrow('Content mismatch')
      for (const path of [tpm, variables])
        expect((await infoOf(path)).snapshots).toMatchObject([{ name: 'one' }])
      expect((await infoOf(tpm))['virtual-size']).toBe(4 * 1024 ** 2)
      expect(await programsNaming(driver.folder)).not.toContain('swtpm')
    })

    test('that cannot start leaves no TPM behind', async () => {
      const [disk, tpm] = [join(driver.folder, 'no-disk'), join(driver.folder, 'left-tpm')]
      await writeFile(disk, 'not a disk')
      await driver.call('createDisk', tpm, 4 * 1024 ** 2)
      const start = guestStart(disk, { memory: 64, tpm: { path: tpm, version: 'v2.0' } })
      await expect(driver.call('start', start)).rejects.toThrow('Image is not in qcow2 format')
      expect(await programsNaming(driver.folder)).not.toContain('swtpm')
    })
  })

  // The last one: it takes the driver away.
  test('ends with the lab, also when that is killed', async () => {
    await boot(WAIT)
    expect(await programsNaming(driver.folder)).toEqual(
      expect.arrayContaining(['qemu-system-x86_64', 'dnsmasq']),
    )
    await driver.kill()
    while ((await programsNaming(driver.folder)).length > 0) await sleep(50)
  })
})

/** Of the processes of this machine that have the text in an argument, the programs. */
async function programsNaming(text: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.filter(line => line.includes(text)).map(line => line.split('\0')[0]!.split('/').at(-1)!)
}
