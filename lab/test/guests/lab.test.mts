import { access, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLab, type Lab } from '../../create.mts'
import { type Api, apiOf } from './api.mts'
import { sshOptions } from './driver-client.mts'

const vm = '/nodes/pve/qemu'
const ADDRESS = '192.168.122.210'

describe('a lab', () => {
  let lab: Lab
  let api: Api
  let keys: string

  beforeAll(async () => {
    lab = await createLab({ timeScale: 0 })
    api = apiOf(lab)
    keys = await mkdtemp(join(tmpdir(), 'proxmint-keys-'))
    await lab.exec(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(keys, 'key')])
  })

  afterAll(async () => {
    await lab?.close()
    await rm(keys, { recursive: true, force: true })
  })

  const ssh = (command: string) => lab.exec(['ssh', ...sshOptions(keys), `debian@${ADDRESS}`, command])

  test('answers at one URL, outside and inside', async () => {
    expect((await api('GET', '/version')).data).toMatchObject({ version: expect.stringMatching(/^9\./) })
    const look = `const [url, ca] = process.argv.slice(1)
require('node:https').get(url + '/version', { ca: require('node:fs').readFileSync(ca), headers: { authorization: process.env.PROXMOX_API_TOKEN } },
  answer => { console.log(answer.statusCode); process.exit() })`
    const inside = await lab.exec([process.execPath, '-e', look, lab.url, lab.caFile])
    expect(inside).toMatchObject({ code: 0, stdout: '200\n' })
  })

  test('its own user has the role it names, and no more', async () => {
    const { data } = await api('GET', '/access/permissions')
    expect(data['/']).toMatchObject({ 'VM.Clone': 1, 'VM.GuestAgent.Audit': 1 })
    expect(data['/']).not.toHaveProperty('Permissions.Modify')
  })

  test('serves its image with the checksum that is told beside it', async () => {
    const sums = await lab.exec([
      process.execPath,
      '-e',
      `fetch('${lab.imagesUrl}/SHA512SUMS').then(r => r.text()).then(console.log)`,
    ])
    const [, sum, name] = /^([0-9a-f]{128}) {2}(\S+)/.exec(sums.stdout)!
    expect(name).toBe('debian-12-genericcloud-amd64.qcow2')
    const import_ = await api.task('POST', '/nodes/pve/storage/local/download-url', {
      content: 'import',
      filename: name!,
      url: `${lab.imagesUrl}/${name}`,
      checksum: sum!,
      'checksum-algorithm': 'sha512',
    })
    expect(import_).toBe('OK')
  })

  test('a VM made of that image boots with its own cloud-init drive', async () => {
    const create = await api.task('POST', vm, {
      vmid: '100',
      name: 'web',
      memory: '512',
      agent: '1',
      scsi0: 'tank:0,import-from=local:import/debian-12-genericcloud-amd64.qcow2',
      ide2: 'tank:cloudinit',
      net0: 'virtio,bridge=vmbr0',
      ipconfig0: `ip=${ADDRESS}/24,gw=192.168.122.1`,
      ciupgrade: '0',
      sshkeys: encodeURIComponent((await readFile(join(keys, 'key.pub'), 'utf8')).trim()),
    })
    expect(create).toBe('OK')
    const disk = async () => (await api('GET', `${vm}/100/config`)).data.scsi0
    expect(await disk()).toBe('tank:vm-100-disk-0,size=3G')
    expect(await api.task('PUT', `${vm}/100/resize`, { disk: 'scsi0', size: '+2G' })).toBe('OK')
    expect(await disk()).toBe('tank:vm-100-disk-0,size=5G')
    expect(await api.task('POST', `${vm}/100/status/start`)).toBe('OK')
    expect((await ssh('hostname; cat /var/lib/cloud/data/root-size')).stdout).toBe('web\n5368709120\n')
    const silent = await api('GET', `${vm}/100/agent/network-get-interfaces`)
    expect(silent).toMatchObject({ status: 500, reason: 'QEMU guest agent is not running' })
    expect(await lab.console(100)).toContain('web ttyS0')
  })

  test('the agent’s answer has the address once it is installed', async () => {
    const install =
      'sudo apt-get -q update && sudo apt-get -q -y install qemu-guest-agent && sudo systemctl start qemu-guest-agent'
    expect(await ssh(install)).toMatchObject({ code: 0 })
    const addresses = async () => {
      const { data } = await api('GET', `${vm}/100/agent/network-get-interfaces`)
      const interfaces: { 'ip-addresses': { 'ip-address': string }[] }[] = data?.result ?? []
      return interfaces.flatMap(one => one['ip-addresses'].map(address => address['ip-address']))
    }
    await expect.poll(addresses, { timeout: 10_000 }).toContain(ADDRESS)
  })

  test('a guest that powers itself off leaves a stopped VM', async () => {
    await ssh('sudo poweroff')
    const status = async () => (await api('GET', `${vm}/100/status/current`)).data.status
    await expect.poll(status, { timeout: 10_000 }).toBe('stopped')
  })

  test('is as new after a reset', async () => {
    await api.task('POST', `${vm}/100/status/start`)
    await lab.reset()
    expect((await api('GET', '/cluster/resources?type=vm')).data).toEqual([])
    const guests = await lab.exec(['ip', '-brief', 'link', 'show', 'type', 'veth'])
    expect(guests.stdout).toBe('')
  })
})

describe('the end of a lab', () => {
  test('leaves no process and no folder', async () => {
    const lab = await createLab({ guests: 'none' })
    const folder = dirname(dirname(dirname(lab.caFile)))
    await access(folder)
    await lab.close()
    await expect(access(folder)).rejects.toThrow('ENOENT')
    expect(() => process.kill(lab.pid, 0)).toThrow('ESRCH')
  })

  test('one that cannot listen says so and leaves nothing', async () => {
    const first = await createLab({ guests: 'none' })
    const port = Number(new URL(first.url).port)
    const second = createLab({ guests: 'none', listen: { host: '127.0.0.1', port } })
    await expect(second).rejects.toThrow(`the lab cannot listen on 127.0.0.1:${port}`)
    await first.close()
  })
})
