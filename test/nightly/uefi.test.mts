/**
 * Debian by UEFI with secure boot and a TPM, on a real machine: the image boots, also as a clone. Emulated, each of the two
 * boots takes minutes.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isAccessible } from '../../lab/core/files.mts'
import type { Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import {
  addressTold,
  bootTimeoutMs,
  finish,
  inGuest,
  type Keys,
  machinesCannotRun,
  makeKeys,
} from '../e2e/qemu-guest.mts'
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
  let keys: Keys
  let stateFolder: string

  beforeAll(async () => {
    stateFolder = await mkdtemp(join(tmpdir(), 'proxmint-uefi-'))
    lab = await startLab({ guests: 'qemu', stateFolder })
    root = rootClient(lab)
    workspace = await createWorkspace(lab)
    keys = await makeKeys()
  }, bootTimeoutMs)

  afterAll(async () => {
    await lab?.close()
    await workspace?.[Symbol.asyncDispose]()
    await keys?.[Symbol.asyncDispose]()
    await rm(stateFolder, { recursive: true, force: true })
  }, bootTimeoutMs)

  test('base import boots the cloud image with secure boot and a TPM, which installs the agent', async () => {
    const image = 'firmware: uefi\n    secure_boot: true\n    tpm: true\n    checksums_url:'
    await workspace.edit('config/proxmint.yaml', 'checksums_url:', image)
    await workspace.edit('config/proxmint.yaml', 'site: test', 'site: test\nfirst_boot_timeout_seconds: 1800')
    const { code, stderr } = await workspace.zx('base', ['import', 'debian-12'])
    expect(`${stderr}${code === 0 ? '' : (await lab.console(9900))?.slice(-3000)}`).not.toContain('error:')
    expect(code).toBe(0)
    expect(await getVmConfig(root, { node: 'pve', vmid: 9900 })).toMatchObject({
      template: 1,
      machine: 'q35',
      bios: 'ovmf',
      efidisk0: expect.stringContaining('efitype=4m,pre-enrolled-keys=1,size=528K'),
      tpmstate0: expect.stringContaining('size=4M,version=v2.0'),
    })
  })

  test('its clone boots with secure boot enabled, and sees its TPM', async () => {
    const vmid = 200
    const vm = `/nodes/pve/qemu/${vmid}`
    await finish(
      root,
      root.request('POST', '/nodes/pve/qemu/9900/clone', { newid: vmid, name: 'web', full: 1 }),
    )
    const sshkeys = encodeURIComponent(keys.publicKey)
    await root.request('PUT', `${vm}/config`, { ciuser: 'ops', sshkeys, ciupgrade: 0, cores: 2 })
    await finish(root, root.request('POST', `${vm}/status/start`))
    const address = await addressTold(lab, root, vmid, /^192\.168\.122\./)
    const look = async (command: string) => {
      const { stdout, stderr } = await inGuest(lab, keys, `ops@${address}`, command)
      return `${stdout}${stderr}`.trim()
    }
    expect(await look('mokutil --sb-state')).toContain('SecureBoot enabled')
    // The last byte of the variable is its value; four bytes of attributes come before.
    expect(await look('od -An -tu1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-*')).toMatch(/ 1$/)
    expect(await look('cat /sys/class/tpm/tpm0/tpm_version_major')).toBe('2')
    expect(await look('cat /sys/kernel/security/lockdown')).toContain('[integrity]')
    expect(await look('findmnt -no FSTYPE /boot/efi')).toBe('vfat')
    await finish(root, root.request('POST', `${vm}/status/stop`))
  })
})
