/**
 * The main job on real machines, one after the other: each boot is emulated here and takes a minute and a half.
 * Later steps use what earlier ones made. Six boots are the limit, and there are six.
 */
import { access, appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from '../../lab/core/process.mts'
import type { Lab } from '../../lab/create.mts'
import { checks } from '../../scripts/lib/acceptance/checks.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listVolumes } from '../../scripts/lib/proxmox/list-volumes.mts'
import type { TemplateVersion } from '../../scripts/lib/templates/version.mts'
import {
  addressTold,
  bootTimeoutMs,
  finish,
  inGuest,
  type Keys,
  machinesCannotRun,
  makeKeys,
} from '../e2e/qemu-guest.mts'
import { copyVmFolders, homeIn } from '../e2e/vm-workspace.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from '../e2e/workspace.mts'

if (machinesCannotRun !== undefined)
  console.warn(`SKIPPED: the journey on real machines. ${machinesCannotRun}`)

const GIB = 1024 ** 3
/** How GRUB clears a serial terminal. */
const bootLoaderScreen = '\x1b[H\x1b[J\x1b[1;1H'
const templates = '/nodes/pve/qemu'

describe.skipIf(machinesCannotRun !== undefined)('on real machines', { timeout: 2 * bootTimeoutMs }, () => {
  let lab: Lab
  let root: ProxmoxClient
  let workspace: Workspace
  let keys: Keys
  let stateFolder: string
  /** Of the VM template that was built. */
  let template: number

  beforeAll(async () => {
    stateFolder = await mkdtemp(join(tmpdir(), 'proxmint-machines-'))
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

  const post = (path: string, data: Record<string, string | number> = {}) =>
    finish(root, root.request<string>('POST', path, data))
  const put = (path: string, data: Record<string, string | number>) => root.request('PUT', path, data)
  const status = async (vmid: number) =>
    (await root.request<{ status: string }>('GET', `${templates}/${vmid}/status/current`)).status
  /** A linked clone, whose key and address are given by cloud-init. */
  async function clone(vmid: number, name: string, settings: Record<string, string | number>) {
    await post(`${templates}/${template}/clone`, { newid: vmid, name, full: 0 })
    const sshkeys = encodeURIComponent(keys.publicKey)
    await put(`${templates}/${vmid}/config`, { ciuser: 'ops', sshkeys, ciupgrade: 0, ...settings })
  }
  const diskOf = async (vmid: number) => {
    const disk = (await readdir(join(stateFolder, 'pve'), { recursive: true })).find(path =>
      path.endsWith(`/vm-${vmid}-disk-0`),
    )
    return join(stateFolder, 'pve', disk!)
  }

  test('base import boots the cloud image once, which installs the agent', async () => {
    const { code, stderr } = await workspace.zx('base', ['import', 'debian'])
    expect(stderr, 'base import').not.toContain('error:')
    expect(code).toBe(0)
    expect(await getVmConfig(root, { node: 'pve', vmid: 9900 })).toMatchObject({ template: 1 })
  })

  test('build debian makes a VM template with the real Packer, which passes its acceptance test', async () => {
    await appendFile(join(workspace.folder, 'config/proxmint.yaml'), 'test_boot_timeout_seconds: 1800\n')
    const { code, stdout, stderr } = await workspace.zx('build', [
      'debian',
      '--json',
      '--var',
      'ssh_timeout=30m',
    ])
    expect(`${stdout}${stderr}`, 'build').not.toContain('error:')
    expect(code).toBe(0)
    template = workspace.vmids[0]
    const lockfile = await readFile(join(workspace.folder, 'config/templates.lock.json'), 'utf8')
    const [version] = Object.values<TemplateVersion>(JSON.parse(lockfile).families.debian.versions)
    expect(version?.test?.checks.map(({ name }) => name)).toEqual(checks.map(({ name }) => name))
    expect(await getVmConfig(root, { node: 'pve', vmid: template })).toMatchObject({ template: 1 })
  })

  describe('a VM that `vm create` makes', () => {
    const vmid = 200
    const address = '192.168.122.200'
    const vm = (...args: string[]) => workspace.zx('vm', args, homeIn(workspace))
    const ssh = (command: string) => inGuest(lab, keys, `ops@${address}`, command)

    beforeAll(async () => {
      await copyVmFolders(workspace)
      // The lab's guests reach no package mirror.
      const cloudInit = { username: 'ops', ssh_authorized_keys: [keys.publicKey] }
      const settings = { cores: 2, memory: 1024, disk: 5, agent_timeout: '30m', cloud_init: cloudInit }
      await writeFile(join(workspace.folder, 'config/vm.yaml'), JSON.stringify(settings))
      const made = await vm(
        ...['create', 'web', '--apply', '--purpose', 'Shop of the county'],
        ...['--vmid', String(vmid), '--ip', address, '--data-disk', 'name=data,size=1,mount=/data'],
      )
      expect(made.code, `${made.stderr}${(await lab.console(vmid))?.slice(-2000)}`).toBe(0)
      expect(made.stdout).toMatch(/^ {2}phase +active$/m)
    }, 2 * bootTimeoutMs)

    test('is reached at its address by the key it was given, under its name and with its purpose', async () => {
      const { code, stdout } = await ssh(
        'id -un; hostname; sudo id -un; systemctl is-active systemd-networkd; getent passwd ops | cut -d: -f5',
      )
      expect(stdout).toBe('ops\nweb\nroot\nactive\nShop of the county\n')
      expect(code).toBe(0)
    })

    test('is done with cloud-init, of which nothing failed', async () => {
      const { stdout } = await ssh('cloud-init status --wait; systemctl --failed --plain --no-legend')
      expect(stdout.trim().split('\n').at(-1)).toBe('status: done')
    })

    test('has grown its root file system to the disk', async () => {
      const { stdout } = await ssh('df --output=size -B1 / | tail -1')
      expect(Number(stdout)).toBeGreaterThan(4.5 * GIB)
    })

    test('has its data disk with a file system, found by its serial number', async () => {
      const { stdout } = await ssh(
        'lsblk --noheadings --nodeps --output SERIAL "$(findmnt -no SOURCE /data)"; findmnt -no FSTYPE /data; ' +
          'grep -c "^UUID=[0-9a-f-]* /data ext4 defaults,nofail" /etc/fstab; sudo touch /data/file && ls /data',
      )
      expect(stdout).toBe('data\next4\n1\nfile\nlost+found\n')
    })

    test('sees its disk grow while it runs', async () => {
      const grown = root.request<string>('PUT', `${templates}/${vmid}/resize`, { disk: 'scsi0', size: '6G' })
      await finish(root, grown)
      const { stdout } = await ssh('lsblk --bytes --nodeps --noheadings --output SIZE /dev/sda')
      expect(Number(stdout)).toBe(6 * GIB)
    })

    test('has an identity of its own: nothing of the template or its build', async () => {
      const { stdout } = await ssh('wc -c < /etc/machine-id; ls /etc/ssh/ssh_host_ed25519_key /home')
      expect(stdout).toBe('33\n/etc/ssh/ssh_host_ed25519_key\n\n/home:\nops\n')
    })

    test('answers by its agent: name, system, and what a program printed', async () => {
      const agent = `${templates}/${vmid}/agent`
      expect(await root.request('GET', `${agent}/get-host-name`)).toEqual({ result: { 'host-name': 'web' } })
      const system = await root.request('GET', `${agent}/get-osinfo`)
      expect(system).toMatchObject({
        result: { id: 'debian', 'kernel-release': expect.stringContaining('cloud') },
      })
      const { pid } = await root.request<{ pid: number }>('POST', `${agent}/exec`, { command: 'hostname' })
      let ended: Record<string, unknown> = {}
      while (ended['exited'] !== 1) {
        await sleep(200)
        ended = await root.request('GET', `${agent}/exec-status`, { pid })
      }
      expect(ended).toMatchObject({ exitcode: 0, 'out-data': 'web\n' })
    })

    test('powers off when it is asked to, by ACPI', async () => {
      await post(`${templates}/${vmid}/status/shutdown`, { timeout: bootTimeoutMs / 1000 })
      expect(await status(vmid)).toBe('stopped')
    })

    test('is gone when it is destroyed, with its disk and its user-data', async () => {
      const disk = await diskOf(vmid)
      const { code, stderr } = await vm('destroy', 'web', '--yes')
      expect(code, stderr).toBe(0)
      await expect(access(disk)).rejects.toThrow('ENOENT')
      const volumes = await listVolumes(root, { node: 'pve', storage: 'local' }, 'snippets')
      expect(volumes).toEqual([])
      expect(JSON.parse((await vm('list', '--json')).stdout)).toEqual([])
    })
  })

  describe('a linked clone', () => {
    const vmid = 201

    beforeAll(async () => {
      const { path } = await root.request<{ path: string }>('GET', '/storage/local')
      await mkdir(join(path, 'snippets'), { recursive: true })
      const userData = {
        hostname: 'snippet',
        ssh_authorized_keys: [keys.publicKey],
        write_files: [{ path: '/etc/told', content: 'x' }],
      }
      await writeFile(join(path, 'snippets/user.yaml'), `#cloud-config\n${JSON.stringify(userData)}\n`)
      await clone(vmid, 'linked', { cicustom: 'user=local:snippets/user.yaml', ipconfig0: 'ip=dhcp' })
      await post(`${templates}/${vmid}/status/start`)
    }, bootTimeoutMs)

    test('boots from the base of its template, with the user-data of a snippet', async () => {
      const address = await addressTold(lab, root, vmid, /^192\.168\.122\.1\d\d$/)
      const { stdout } = await inGuest(lab, keys, `debian@${address}`, 'hostname; cat /etc/told')
      expect(stdout).toBe('snippet\nx')
    })

    test('takes only the room of what differs, and keeps its template from being deleted', async () => {
      const disk = await diskOf(vmid)
      const info = JSON.parse(await run('qemu-img', ['info', '-U', '--output=json', disk]))
      expect(info['backing-filename']).toContain(`vm-${template}-disk-0`)
      expect(info['actual-size']).toBeLessThan(GIB / 4)
      const deletion = finish(root, root.request<string>('DELETE', `${templates}/${template}`))
      await expect(deletion).rejects.toThrow('is still in use by linked clone')
    })

    test('is in its boot loader again on the reset button, with the console going on', async () => {
      const boots = async () => (await lab.console(vmid))!.split(bootLoaderScreen).length - 1
      expect(await boots()).toBe(1)
      await post(`${templates}/${vmid}/status/reset`)
      // What follows may take an emulated machine minutes: see docs/decisions/0007-qemu-guests.md.
      while ((await boots()) < 2) await sleep(500)
      expect(await status(vmid)).toBe('running')
    })

    test('is gone when it is destroyed, with its disk', async () => {
      const disk = await diskOf(vmid)
      await post(`${templates}/${vmid}/status/stop`)
      await finish(root, root.request<string>('DELETE', `${templates}/${vmid}`))
      await expect(access(disk)).rejects.toThrow('ENOENT')
    })
  })
})
