import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from '../../core/process.mts'
import { createLab } from '../../create.mts'
import type { LabRecord } from '../../record.mts'
import { type Api, apiOf } from './api.mts'
import { collect, sshOptions } from './driver-client.mts'

const PVE_LAB = join(import.meta.dirname, '..', '..', 'pve-lab.mts')
const vm = '/nodes/pve/qemu'
const image = 'debian-12-genericcloud-amd64.qcow2'

/** What Docker leaves to a container. */
const DOCKER_CAPABILITIES =
  '-all,+chown,+dac_override,+fsetid,+fowner,+mknod,+net_raw,+setgid,+setuid,+setfcap,+setpcap,+net_bind_service,+sys_chroot,+kill,+audit_write'

const isRoot = process.geteuid?.() === 0

/** Processes whose root is below a folder. */
async function processesIn(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const roots = await Promise.all(pids.map(pid => readlink(`/proc/${pid}/root`).catch(() => '')))
  return pids.filter((_, index) => roots[index]!.startsWith(folder))
}

describe.skipIf(!isRoot)('a lab with the capabilities Docker gives', () => {
  let folder: string
  let child: ChildProcess
  let record: LabRecord
  let api: Api

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'proxmint-loopback-'))
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'key')])
    const up = [PVE_LAB, 'up', '--time-scale', '0', '--state', folder, '--json']
    const less = ['--inh-caps=-all', `--bounding-set=${DOCKER_CAPABILITIES}`]
    child = spawn('setpriv', [...less, process.execPath, ...up], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(createInterface({ input: child.stdout! }), 'line')
    record = JSON.parse(await readFile(join(folder, 'lab.json'), 'utf8'))
    api = apiOf(record)
  })

  afterAll(async () => {
    if (child?.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit')
    await rm(folder, { recursive: true, force: true })
  })

  const ssh = (vmid: number, command: string) => {
    const port = String(record.firstSshPort! + vmid)
    return collect(['ssh', ...sshOptions(folder), '-p', port, 'debian@127.0.0.1', command])
  }
  const status = async (vmid: number) => (await api('GET', `${vm}/${vmid}/status/current`)).data.status

  async function cloneAndStart(vmid: number): Promise<void> {
    const clone = { newid: String(vmid), name: `web${vmid}`, full: '1' }
    expect(await api.task('POST', `${vm}/100/clone`, clone)).toBe('OK')
    await api('PUT', `${vm}/${vmid}/config`, { ipconfig0: `ip=192.168.122.${vmid}/24,gw=192.168.122.1` })
    expect(await api.task('POST', `${vm}/${vmid}/status/start`)).toBe('OK')
  }

  test('takes the machine’s own network, and says so', () => {
    expect(record.isolation.kind).toBe('loopback')
    expect(record.isolation.description).toContain('no namespaces')
    expect(record.firstSshPort! % 1000).toBe(0)
  })

  test('imports an image; two clones of it run at once, each behind a port told by its VMID', async () => {
    const download = { content: 'import', filename: image, url: `${record.imagesUrl}/${image}` }
    expect(await api.task('POST', '/nodes/pve/storage/local/download-url', download)).toBe('OK')
    const key = (await readFile(join(folder, 'key.pub'), 'utf8')).trim()
    const base = {
      vmid: '100',
      agent: '1',
      scsi0: `tank:0,import-from=local:import/${image}`,
      ide2: 'tank:cloudinit',
      net0: 'virtio,bridge=vmbr0',
      ciupgrade: '0',
      sshkeys: encodeURIComponent(key),
    }
    expect(await api.task('POST', vm, base)).toBe('OK')
    await cloneAndStart(101)
    await cloneAndStart(102)
    for (const vmid of [101, 102]) {
      expect((await ssh(vmid, 'cat /etc/hostname; sudo id -un')).stdout).toBe(`web${vmid}\nroot\n`)
    }
  })

  test('a guest cannot rename the machine, set its clock or stop it', async () => {
    const name = await readFile('/proc/sys/kernel/hostname', 'utf8')
    const tries = await ssh(
      101,
      'sudo hostname x; sudo date -s 2001-01-01; sudo perl -e \'syscall(169, 0xfee1dead, 672274793, 0x4321fedc, 0) == 0 or die "reboot: $!"\'',
    )
    expect(tries.stderr).toContain('you must be root to change the host name')
    expect(tries.stderr).toContain('cannot set date: Operation not permitted')
    expect(tries.stderr).toContain('reboot: Operation not permitted')
    expect(await readFile('/proc/sys/kernel/hostname', 'utf8')).toBe(name)
  })

  test('the agent comes from the package source and tells the guest’s own address and name', async () => {
    const install =
      'sudo apt-get -q update && sudo apt-get -q -y install qemu-guest-agent && sudo systemctl start qemu-guest-agent'
    const agent = `${vm}/101/agent`
    const silent = await api('GET', `${agent}/network-get-interfaces`)
    expect(silent).toMatchObject({ status: 500, reason: 'QEMU guest agent is not running' })
    expect(await ssh(101, install)).toMatchObject({ code: 0 })
    const interfaces = async () => (await api('GET', `${agent}/network-get-interfaces`)).data?.result?.[1]
    await expect.poll(interfaces, { timeout: 10_000 }).toMatchObject({
      name: 'eth0',
      'ip-addresses': [{ 'ip-address': '192.168.122.101', 'ip-address-type': 'ipv4', prefix: 24 }],
    })
    expect((await api('GET', `${agent}/get-host-name`)).data.result).toEqual({ 'host-name': 'web101' })
    expect((await api('GET', `${agent}/get-osinfo`)).data.result).toMatchObject({ id: 'debian' })
  })

  test('reboots: what ran is gone, its own services are back', async () => {
    const before = (await ssh(101, 'cat /run/init.pid; nohup sleep 777 > /dev/null 2>&1 &')).stdout
    await ssh(101, 'sudo reboot')
    const init = async () => (await ssh(101, 'cat /run/init.pid')).stdout
    await expect.poll(init, { timeout: 10_000, interval: 300 }).not.toBe(before)
    const commands = await Promise.all(
      (await processesIn(folder)).map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    )
    expect(commands.filter(command => command.includes('777'))).toEqual([])
  })

  test('poweroff inside ends that guest alone', async () => {
    await ssh(101, 'sudo poweroff')
    await expect.poll(() => status(101), { timeout: 10_000 }).toBe('stopped')
    expect((await ssh(102, 'true')).code).toBe(0)
  })

  test('a stop ends every process of the guest, also those that left its session', async () => {
    await ssh(102, 'setsid nohup sudo setsid sleep 888 > /dev/null 2>&1 &')
    await expect.poll(() => processesIn(folder)).not.toEqual([])
    expect(await api.task('POST', `${vm}/102/status/stop`)).toBe('OK')
    expect(await processesIn(folder)).toEqual([])
  })

  test('a VM whose port another one has does not start', async () => {
    expect(await api.task('POST', `${vm}/101/status/start`)).toBe('OK')
    expect((await ssh(101, 'true')).code).toBe(0)
    await api.task('POST', `${vm}/100/clone`, { newid: '1101', full: '1' })
    expect(await api.task('POST', `${vm}/1101/status/start`)).toContain('the SSH port of VM 1101')
  })

  test('its guests end with it, even when it is killed', async () => {
    expect(await processesIn(folder)).not.toEqual([])
    const exited = once(child, 'exit')
    process.kill(record.namespacePid, 'SIGKILL')
    await expect.poll(() => processesIn(folder), { timeout: 10_000 }).toEqual([])
    await exited
  })
})

describe.skipIf(!isRoot)('a lab that is told to use loopback', () => {
  test('tells ports before VMs exist, and ends without a trace', async () => {
    await using stack = new AsyncDisposableStack()
    const lab = await createLab({ guests: 'none', isolation: 'loopback' })
    stack.defer(() => lab.close())
    expect(lab.sshPortOf(9_012)).toBe(lab.firstSshPort! + 12)
    const other = await createLab({ guests: 'none', isolation: 'loopback' })
    stack.defer(() => other.close())
    expect(Math.abs(other.firstSshPort! - lab.firstSshPort!)).toBeGreaterThanOrEqual(1000)
    const { host, port } = { host: '127.0.0.1', port: Number(new URL(lab.url).port) }
    const third = createLab({ guests: 'none', isolation: 'loopback', listen: { host, port } })
    await expect(third).rejects.toThrow(`the lab cannot listen on ${host}:${port}`)
  })

  test('one with namespaces has no such ports', async () => {
    const lab = await createLab({ guests: 'none', isolation: 'namespace' })
    expect(lab.sshPortOf(100)).toBeUndefined()
    await lab.close()
  })
})
