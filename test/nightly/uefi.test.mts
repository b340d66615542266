/** Debian by UEFI with secure boot and a TPM, on a real machine. Emulated, the one boot takes minutes. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isAccessible } from '../../lab/core/files.mts'
import type { Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { bootTimeoutMs, finish, inGuest, type Keys, machinesCannotRun, makeKeys } from '../e2e/qemu-guest.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from '../e2e/workspace.mts'

const firmware = '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd'
const cannotRun =
  machinesCannotRun ??
  ((await isAccessible(firmware)) ? undefined : `${firmware} is missing (apt-get install ovmf swtpm)`)
if (cannotRun !== undefined) console.warn(`SKIPPED: UEFI on real machines. ${cannotRun}`)

describe.skipIf(cannotRun !== undefined)('by UEFI', { timeout: 2 * bootTimeoutMs }, () => {
  let lab: Lab
  let root: ProxmoxClient
  let workspace: Workspace
  let login: Keys
  let stateFolder: string

  beforeAll(async () => {
    stateFolder = await mkdtemp(join(tmpdir(), 'proxmint-uefi-'))
    lab = await startLab({ guests: 'qemu', stateFolder })
    root = rootClient(lab)
    workspace = await createWorkspace(lab)
    login = await makeKeys()
  }, bootTimeoutMs)

  afterAll(async () => {
    await lab?.close()
    await workspace?.[Symbol.asyncDispose]()
    await login?.[Symbol.asyncDispose]()
    await rm(stateFolder, { recursive: true, force: true })
  }, bootTimeoutMs)

  test('an image is booted with secure boot enabled, and sees its TPM', async () => {
    const keys = 'firmware: uefi\n    secure_boot: true\n    tpm: true\n    first_boot: none'
    await workspace.edit('config/proxmint.yaml', 'checksums_url:', `${keys}\n    checksums_url:`)
    const { code, stderr } = await workspace.zx('base', ['import', 'debian-12'])
    expect(code, stderr).toBe(0)
    expect(await getVmConfig(root, { node: 'pve', vmid: 9900 })).toMatchObject({
      template: 1,
      machine: 'q35',
      bios: 'ovmf',
      efidisk0: expect.stringContaining('efitype=4m,pre-enrolled-keys=1,'),
      tpmstate0: expect.stringContaining('version=v2.0'),
    })
    const vm = '/nodes/pve/qemu/200'
    await finish(
      root,
      root.request('POST', '/nodes/pve/qemu/9900/clone', { newid: 200, name: 'web', full: 1 }),
    )
    await root.request('PUT', `${vm}/config`, {
      ...{ ciuser: 'ops', sshkeys: encodeURIComponent(login.publicKey), ciupgrade: 0 },
      ipconfig0: 'ip=192.168.122.200/24,gw=192.168.122.1',
    })
    await finish(root, root.request('POST', `${vm}/status/start`))
    const look = async (command: string) => {
      const result = await inGuest(lab, login, 'ops@192.168.122.200', command)
      if (result.code === 255) throw new Error(`no SSH: ${(await lab.console(200))?.slice(-2000)}`)
      return `${result.stdout}${result.stderr}`.trim()
    }
    expect(await look('mokutil --sb-state')).toContain('SecureBoot enabled')
    // The last byte of the variable is its value; four bytes of attributes come before.
    expect(await look('od -An -tu1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-*')).toMatch(/ 1$/)
    expect(await look('cat /sys/class/tpm/tpm0/tpm_version_major')).toBe('2')
    expect(await look('sudo cat /sys/kernel/security/lockdown')).toContain('[integrity]')
    expect(await look('findmnt -no FSTYPE /boot/efi')).toBe('vfat')
    await finish(root, root.request('POST', `${vm}/status/stop`))
  })
})
