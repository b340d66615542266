import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { startLab, type TestLab } from './client.mts'

let lab: TestLab
beforeAll(async () => {
  lab = await startLab()
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const qemu = '/nodes/pve/qemu'
const create = (more: Record<string, unknown> = {}) =>
  lab.task('POST', qemu, {
    vmid: 100,
    name: 'base',
    memory: 512,
    cores: 2,
    scsi0: 'tank:1',
    ide2: 'tank:cloudinit',
    net0: 'virtio,bridge=vmbr0',
    agent: 1,
    ...more,
  })
const config = async (vmid = 100) => (await lab.get(`${qemu}/${vmid}/config`)).data
const status = async (vmid = 100) => (await lab.get(`${qemu}/${vmid}/status/current`)).data
const act = (what: string, body = {}, vmid = 100) => lab.task('POST', `${qemu}/${vmid}/${what}`, body)
const volumes = async () =>
  (await lab.get('/nodes/pve/storage/tank/content')).data
    .map((entry: { volid: string }) => entry.volid)
    .sort()

test('a disk that no config names stays when its VM goes, unless it is asked for', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'pve-test-'))
  const before = await startLab({ dataDir })
  for (const vmid of [100, 101]) await before.task('POST', qemu, { vmid, scsi0: 'tank:1', scsi1: 'tank:1' })
  await before.server.close()
  const file = join(dataDir, 'state.json')
  const state = JSON.parse(await readFile(file, 'utf8'))
  for (const vmid of [100, 101]) delete state.vms[vmid].config.scsi1
  await writeFile(file, JSON.stringify(state))
  const after = await startLab({ dataDir })
  onTestFinished(() => after.close())
  expect(await after.task('DELETE', `${qemu}/100?purge=1`)).toBe('OK')
  expect(await after.task('DELETE', `${qemu}/101?purge=1&destroy-unreferenced-disks=1`)).toBe('OK')
  const { data } = await after.get('/nodes/pve/storage/tank/content')
  expect(data.map(({ volid }: { volid: string }) => volid)).toEqual(['tank:vm-100-disk-1'])
})

describe('a new VM', () => {
  test('has its disks, a MAC address, an identity, and a boot order', async () => {
    expect(await create()).toBe('OK')
    expect(await config()).toMatchObject({
      scsi0: 'tank:vm-100-disk-0,size=1G',
      ide2: 'tank:vm-100-cloudinit,media=cdrom',
      net0: expect.stringMatching(/^virtio=BC:24:11(:[0-9A-F]{2}){3},bridge=vmbr0$/),
      smbios1: expect.stringMatching(/^uuid=[0-9a-f-]{36}$/),
      vmgenid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      boot: 'order=scsi0;ide2;net0',
      meta: expect.stringMatching(/^creation-qemu=/),
    })
    expect(await volumes()).toEqual(['tank:vm-100-cloudinit', 'tank:vm-100-disk-0'])
  })

  test('sends numbers where Proxmox does, and texts where it does', async () => {
    await create({ onboot: 1, cpulimit: '1.5', protection: 0 })
    expect(await config()).toMatchObject({
      cores: 2,
      onboot: 1,
      protection: 0,
      memory: '512',
      agent: '1',
      cpulimit: '1.5',
    })
  })

  test('cannot take a taken id', async () => {
    await create()
    expect(await lab.call('POST', qemu, { vmid: 100 })).toMatchObject({
      status: 500,
      reason: "unable to create VM 100 - VM 100 already exists on node 'pve'",
    })
    expect((await lab.get('/cluster/nextid?vmid=100')).errors).toEqual({ vmid: 'VM 100 already exists' })
    expect((await lab.get('/cluster/nextid')).data).toBe('101')
  })

  test('that cannot be made leaves nothing behind', async () => {
    const failed = await create({ scsi1: 'tank:0,import-from=local:import/none.qcow2' })
    expect(failed).toMatch(/^unable to create VM 100 - failed to stat '.*\/import\/none\.qcow2'$/)
    expect(lab.server.admin.vmids()).toEqual([])
    expect(await volumes()).toEqual([])
  })

  test.each([
    [
      { nonsense: 1 },
      { nonsense: 'property is not defined in schema and the schema does not allow additional properties' },
    ],
    [{ cores: 'two' }, { cores: "type check ('integer') failed - got 'two'" }],
    [{ cores: 0 }, { cores: 'value must have a minimum value of 1' }],
    [{ onboot: 'maybe' }, { onboot: "type check ('boolean') failed - got 'maybe'" }],
    [{ name: '-x' }, { name: 'invalid format - value does not look like a valid DNS name\n' }],
    [
      { scsi0: 'tank:8,import-from=local:import/x.qcow2' },
      { scsi0: "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>" },
    ],
    [{ ide3: 'local:iso/x.iso' }, { ide3: "explicit 'media=cdrom' is required for iso images" }],
    [{ bios: 'lilo' }, { bios: "value 'lilo' does not have a value in the enumeration 'seabios, ovmf'" }],
  ])('with %j is refused', async (settings, errors) => {
    const reply = await lab.call('POST', qemu, { vmid: 100, ...settings })
    expect(reply).toMatchObject({ status: 400, reason: 'Parameter verification failed.', errors })
  })

  test('every fault is told at once', async () => {
    const reply = await lab.call('POST', qemu, { cores: 'x', memory: 'y' })
    expect(Object.keys(reply.errors!).sort()).toEqual(['cores', 'memory', 'vmid'])
  })
})

describe('changing the config', () => {
  beforeEach(() => create())
  const put = (body: Record<string, unknown>) => lab.call('PUT', `${qemu}/100/config`, body)

  test('answers null, takes the URI vmid again and empty values', async () => {
    const reply = await put({ vmid: 100, tags: '', description: 'two\nlines', cores: 4 })
    expect(reply.body).toBe('{"data":null}')
    expect(await config()).toMatchObject({ tags: ' ', description: 'two\nlines', cores: 4 })
    expect((await put({ vmid: 101, cores: 4 })).errors).toEqual({
      vmid: 'duplicate parameter (already defined in URI) with conflicting values!',
    })
  })

  test('the digest of what one has seen protects from others', async () => {
    const { digest } = await config()
    expect((await put({ cores: 3, digest })).status).toBe(200)
    expect(await put({ cores: 4, digest })).toMatchObject({
      status: 500,
      reason: 'checksum mismatch (file change by other user?)',
    })
    expect((await config()).cores).toBe(3)
    expect((await config()).digest).not.toBe(digest)
  })

  test('a disk that is taken out stays as unused, and goes when that is removed', async () => {
    await put({ delete: 'scsi0' })
    expect(await config()).toMatchObject({ unused0: 'tank:vm-100-disk-0' })
    await put({ scsi1: 'tank:vm-100-disk-0' })
    expect(await config()).not.toHaveProperty('unused0')
    await put({ delete: 'scsi1' })
    await put({ delete: 'unused0' })
    expect(await volumes()).toEqual(['tank:vm-100-cloudinit'])
  })

  test('a cloud-init drive goes at once, and there can only be one', async () => {
    expect((await put({ ide0: 'tank:cloudinit' })).reason).toBe(
      "ide0 - cloud-init drive is already attached at 'ide2'",
    )
    await put({ delete: 'ide2' })
    expect(await volumes()).toEqual(['tank:vm-100-disk-0'])
    expect((await put({ ide0: 'tank:cloudinit' })).status).toBe(200)
  })

  test('removing what is not set only warns', async () => {
    expect((await put({ delete: 'net7,nameserver' })).status).toBe(200)
    expect(await act('config', { delete: 'net7' })).toBe('OK')
    expect((await put({ delete: 'nonsense' })).errors).toEqual({ delete: "unknown option 'nonsense'" })
    expect((await put({ delete: 'cores', cores: 2 })).errors).toEqual({
      delete: "you can't use '-cores' and -delete cores' at the same time",
    })
  })

  test('of a running VM waits where the guest would have to see it', async () => {
    await act('status/start')
    await put({ cores: 8, description: 'now', delete: 'ide2' })
    expect(await config()).toMatchObject({ cores: 8, description: 'now' })
    expect(await config()).not.toHaveProperty('ide2')
    const current = (await lab.get(`${qemu}/100/config?current=1`)).data
    expect(current).toMatchObject({
      cores: 2,
      description: 'now',
      ide2: expect.stringContaining('cloudinit'),
    })
    const pending = (await lab.get(`${qemu}/100/pending`)).data
    expect(pending).toContainEqual({ key: 'cores', value: 2, pending: 8 })
    expect(pending).toContainEqual(expect.objectContaining({ key: 'ide2', delete: 1 }))
    await act('status/stop')
    expect((await lab.get(`${qemu}/100/config?current=1`)).data).toMatchObject({ cores: 8 })
    expect(await volumes()).toEqual(['tank:vm-100-disk-0'])
  })

  test('that waits is not taken over by a guest that powers itself off, but by the next start', async () => {
    await act('status/start')
    await put({ cores: 8 })
    await lab.driver.powerOff(100)
    const current = async () => (await lab.get(`${qemu}/100/config?current=1`)).data.cores
    expect(await current()).toBe(2)
    await act('status/start')
    expect(await current()).toBe(8)
    expect(lab.driver.started.get(100)!.cores).toBe(8)
  })

  test('what waits can be given up, a disk removed for good', async () => {
    await act('status/start')
    await put({ cores: 8 })
    await put({ revert: 'cores' })
    expect((await config()).cores).toBe(2)
    await put({ delete: 'scsi0', force: 1 })
    expect(await config()).not.toHaveProperty('unused0')
    expect(await volumes()).toEqual(['tank:vm-100-cloudinit'])
  })

  test('passwords are kept as hashes and never shown', async () => {
    await put({ cipassword: 'hunter2' })
    expect((await config()).cipassword).toBe('**********')
    expect(lab.server.admin.vmConfig(100)!['cipassword']).toMatch(/^\$5\$[^$]+\$.{43}$/)
    const dump = (await lab.get(`${qemu}/100/cloudinit/dump?type=user`)).data
    expect(dump).not.toContain('$5$')
  })
})

describe('power', () => {
  beforeEach(() => create())

  test('from start to stop', async () => {
    expect(await status()).toMatchObject({ status: 'stopped', qmpstatus: 'stopped', uptime: 0 })
    expect(await act('status/start')).toBe('OK')
    expect(await status()).toMatchObject({ status: 'running', pid: expect.any(Number), agent: 1 })
    expect(await act('status/start')).toBe('VM 100 already running')
    expect(await act('status/stop')).toBe('OK')
    expect(await act('status/stop')).toBe('OK')
    expect((await status()).status).toBe('stopped')
  })

  test('the driver is told what the config says', async () => {
    await lab.call('PUT', `${qemu}/100/config`, { ciuser: 'ann', ipconfig0: 'ip=dhcp' })
    await act('status/start')
    expect(lab.driver.started.get(100)).toMatchObject({
      name: 'base',
      memory: 512,
      cores: 2,
      disks: [{ slot: 'scsi0', path: expect.stringContaining('vm-100-disk-0') }],
      nics: [{ slot: 'net0', bridge: 'vmbr0', mac: expect.stringMatching(/^BC:24:11/) }],
      agentChannel: true,
      cloudInit: { userData: expect.stringContaining('user: ann') },
    })
  })

  test('a guest that powers itself off leaves a stopped VM', async () => {
    await act('status/start')
    await lab.driver.powerOff(100)
    expect((await status()).status).toBe('stopped')
    expect(await act('status/shutdown')).toBe('OK')
  })

  test('shutdown, reboot and reset', async () => {
    for (const what of ['status/reboot', 'status/reset'])
      expect((await lab.call('POST', `${qemu}/100/${what}`)).reason).toBe('VM 100 not running')
    await act('status/start')
    expect(await act('status/reset')).toBe('OK')
    expect(await act('status/reboot')).toBe('OK')
    expect((await status()).status).toBe('running')
    expect(await act('status/shutdown', { timeout: 5 })).toBe('OK')
    expect((await status()).status).toBe('stopped')
  })
})

describe('the guest agent', () => {
  const agent = (command: string) => lab.get(`${qemu}/100/agent/${command}`)

  test('is not configured, not running, or answers', async () => {
    await create({ agent: 0 })
    expect(await agent('info')).toMatchObject({ status: 500, reason: 'VM 100 is not running' })
    await lab.call('PUT', `${qemu}/100/config`, { delete: 'agent' })
    expect(await agent('info')).toMatchObject({ status: 500, reason: 'No QEMU guest agent configured' })
    await lab.call('PUT', `${qemu}/100/config`, { agent: 'enabled=1,fstrim_cloned_disks=1' })
    expect((await agent('info')).reason).toBe('VM 100 is not running')
    await act('status/start')
    const [nic] = (await agent('network-get-interfaces')).data.result
    expect(nic).toMatchObject({ name: 'eth0', statistics: { 'rx-bytes': 0 } })
    expect((await lab.call('POST', `${qemu}/100/agent/ping`)).data).toEqual({ result: {} })
    expect((await agent('get-osinfo')).reason).toBe(
      'Agent error: The command guest-get-osinfo has not been found',
    )
  })
})

describe('templates and clones', () => {
  beforeEach(async () => {
    await create()
    await act('template')
  })

  test("a template's disks are bases; it neither starts nor converts again", async () => {
    expect(await config()).toMatchObject({ template: 1, scsi0: 'tank:base-100-disk-0,size=1G' })
    expect(await act('status/start')).toBe("you can't start a vm if it's a template")
    expect((await lab.call('POST', `${qemu}/100/template`)).reason).toBe(
      "you can't convert a template to a template",
    )
  })

  test('a full clone is a machine of its own', async () => {
    expect(await act('clone', { newid: 101, name: 'web', full: 1, description: 'a copy' })).toBe('OK')
    const [source, clone] = [await config(), await config(101)]
    expect(clone).toMatchObject({ name: 'web', description: 'a copy', scsi0: 'tank:vm-101-disk-0,size=1G' })
    expect(clone).not.toHaveProperty('template')
    expect(clone).not.toHaveProperty('lock')
    for (const key of ['net0', 'smbios1', 'vmgenid']) expect(clone[key]).not.toBe(source[key])
    expect(await lab.task('DELETE', `${qemu}/100`)).toBe('OK')
  })

  test('without full a template is linked, and stays while it is needed', async () => {
    await act('clone', { newid: 101 })
    expect(await config(101)).toMatchObject({
      name: 'Copy-of-VM-base',
      scsi0: 'tank:base-100-disk-0/vm-101-disk-0,size=1G',
    })
    expect(await lab.task('DELETE', `${qemu}/100`)).toBe(
      "base volume 'tank:base-100-disk-0' is still in use by linked cloned",
    )
    expect(await lab.task('DELETE', `${qemu}/101`)).toBe('OK')
    expect(await lab.task('DELETE', `${qemu}/100`)).toBe('OK')
    expect(await volumes()).toEqual([])
  })

  test('an ordinary VM clones fully, and cannot be linked', async () => {
    await act('clone', { newid: 101, full: 1 })
    await act('clone', { newid: 102 }, 101)
    expect((await config(102)).scsi0).toBe('tank:vm-102-disk-0,size=1G')
    expect((await lab.call('POST', `${qemu}/101/clone`, { newid: 103, full: 0 })).reason).toBe(
      "Linked clone feature is not supported for 'tank:vm-101-disk-0' (scsi0)",
    )
  })

  test('a taken id is refused', async () => {
    expect((await lab.call('POST', `${qemu}/100/clone`, { newid: 100 })).reason).toBe(
      'unable to create VM 100: config file already exists',
    )
  })
})

describe('removal', () => {
  test('a running or protected VM stays', async () => {
    await create({ protection: 1 })
    const remove = () => lab.call('DELETE', `${qemu}/100/?purge=1`)
    expect((await remove()).reason).toBe("can't remove VM 100 - protection mode enabled")
    await lab.call('PUT', `${qemu}/100/config`, { protection: 0 })
    await act('status/start')
    expect((await remove()).reason).toBe('VM 100 is running - destroy failed')
    await act('status/stop')
    expect((await remove()).status).toBe(200)
    expect((await lab.get(`${qemu}/100/status/current`)).reason).toBe(
      "Configuration file 'nodes/pve/qemu-server/100.conf' does not exist",
    )
  })

  test('a locked VM is left alone', async () => {
    await create()
    const byToken = await lab.call('PUT', `${qemu}/100/config`, { lock: 'clone' })
    expect(byToken.reason).toBe("only root can set 'lock' config")
    await lab.call('PUT', `${qemu}/100/config`, { lock: 'clone' }, await lab.rootTicket())
    expect((await lab.get('/cluster/resources?type=vm')).data[0].lock).toBe('clone')
    expect((await lab.call('PUT', `${qemu}/100/config`, { cores: 3 })).reason).toBe('VM is locked (clone)')
    expect(await act('status/start')).toBe('VM is locked (clone)')
    expect(await lab.task('DELETE', `${qemu}/100`)).toBe('VM is locked (clone)')
  })

  test('root itself may pass the lock by, its token may not', async () => {
    await create()
    const root = await lab.rootTicket()
    await lab.call('PUT', `${qemu}/100/config`, { lock: 'clone' }, root)
    const unlock = { delete: 'lock', skiplock: 1 }
    expect((await lab.call('PUT', `${qemu}/100/config`, unlock)).errors).toEqual({
      skiplock: 'Only root may use this option.',
    })
    expect((await lab.call('PUT', `${qemu}/100/config`, unlock, root)).status).toBe(200)
    expect(await lab.task('DELETE', `${qemu}/100`)).toBe('OK')
  })
})

describe('disks', () => {
  beforeEach(() => create())
  const resize = (size: string) => lab.task('PUT', `${qemu}/100/resize`, { disk: 'scsi0', size })

  test('grow by or to a size, never shrink', async () => {
    expect(await resize('+1G')).toBe('OK')
    expect(await resize('2560M')).toBe('OK')
    expect((await config()).scsi0).toBe('tank:vm-100-disk-0,size=2560M')
    expect(await resize('1G')).toBe('shrinking disks is not supported')
    expect((await lab.get('/cluster/resources?type=vm')).data[0].maxdisk).toBe(2560 * 1024 ** 2)
  })

  test('move to no storage that takes no disks, nor to their own', async () => {
    const move = (storage: string) => lab.call('POST', `${qemu}/100/move_disk`, { disk: 'scsi0', storage })
    expect((await move('local')).errors).toEqual({ storage: "storage 'local' does not support vm images" })
    expect((await move('tank')).reason).toBe("you can't move to the same storage with same format")
  })
})

test('high availability manages nothing', async () => {
  await create()
  expect(await lab.get('/cluster/ha/resources/100')).toMatchObject({
    status: 500,
    reason: "no such resource 'vm:100'",
  })
})
