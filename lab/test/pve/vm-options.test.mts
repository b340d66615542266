import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ClusterSpec } from '../../pve/core/cluster.mts'
import { startLab, type TestLab } from './client.mts'

/** A node whose disks are files, so that their formats show in their names. */
const cluster: ClusterSpec = {
  nodes: [{ name: 'pve', online: true }],
  storages: [
    { id: 'local', type: 'dir', content: ['iso', 'snippets', 'import'] },
    { id: 'tank', type: 'dir', content: ['images'] },
  ],
}

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({ cluster })
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const qemu = '/nodes/pve/qemu'
const create = (body: Record<string, unknown> = {}) => lab.task('POST', qemu, { vmid: 100, ...body })
const post = (body: Record<string, unknown>) => lab.call('POST', qemu, { vmid: 100, ...body })
const put = (body: Record<string, unknown>) => lab.call('PUT', `${qemu}/100/config`, body)
const config = async () => (await lab.get(`${qemu}/100/config`)).data

describe('a wrong option', () => {
  test.each([
    [{ scsi0: 'tank:1,format=nope' }, 'scsi0.format: value'],
    [{ scsi0: 'tank:1,model=x' }, 'scsi0.model: property is not defined'],
    [{ sata0: 'tank:1,iothread=1' }, 'sata0.iothread: property is not defined'],
    [{ scsi0: 'tank' }, "scsi0.file: invalid format - unable to parse volume ID 'tank'\n"],
    [{ net0: 'virtio,bridge=vmbr0,tag=5000' }, 'net0.tag: value must have a maximum value of 4094'],
    [{ ipconfig0: 'gw=10.0.0.1' }, "ipconfig0.ip: missing property required by 'ipconfig0.gw'"],
    [{ boot: 'order=nope0' }, "boot.order: invalid format - invalid boot device 'nope0'"],
    [{ machine: 'nope' }, 'machine.type: value does not match the regex pattern'],
    [{ smbios1: 'uuid=1' }, 'smbios1.uuid: value does not match the regex pattern'],
    [{ virtiofs0: 'x' }, "virtiofs0.dirid: invalid format - invalid configuration ID 'x'"],
    [{ cpu: 'host,flags=aes' }, 'cpu.flags: value does not match the regex pattern'],
    [{ tpmstate0: 'tank:1,version=3' }, 'tpmstate0.version: value'],
  ])('%o is refused by the name of its part', async (options, text) => {
    const { status, errors } = await post(options)
    expect(status).toBe(400)
    expect(Object.values(errors!)[0]).toContain(`invalid format - format error\n${text}`)
  })

  test.each([
    [
      { cpu: 'nope' },
      "invalid format - Built-in cputype 'nope' is not defined (missing 'custom-' prefix?)\n",
    ],
    [{ scsi31: 'tank:1' }, 'property is not defined in schema and'],
    [{ onboot: 'yes' }, "type check ('boolean') failed - got 'yes'"],
    [{ startup: 'x' }, 'invalid format - unable to parse startup options\n'],
    [{ tags: 'a;-b' }, 'invalid format - invalid characters in tag\n'],
    [{ affinity: '3-1' }, 'invalid format - unable to parse cpuset option\n'],
    [{ virtio0: 'none,media=cdrom' }, 'unable to parse drive options'],
    [{ scsi0: 'tank:1,mbps_rd=1,mbps=1' }, 'unable to parse drive options'],
    [{ ide2: 'local:iso/debian.iso' }, "explicit 'media=cdrom' is required for iso images"],
    [
      { scsi0: 'tank:0,import-from=local:iso/a.iso' },
      "has wrong type 'iso' - needs to be 'images' or 'import'",
    ],
  ])('%o is refused', async (options, text) => {
    const { status, errors } = await post(options)
    expect(status).toBe(400)
    expect(errors![Object.keys(options)[0]!]).toContain(text)
  })

  test('a key that is none is refused, whatever its encoding', async () => {
    const { status, reason } = await post({ sshkeys: encodeURIComponent('ssh-ed25519 AAAA ann@a') })
    expect([status, reason]).toEqual([500, 'SSH public key validation error'])
  })
})

describe('a new VM', () => {
  test('is written as Proxmox writes it', async () => {
    await create({
      scsi0: 'tank:1,ssd=on,discard=on,backup=no,format=qcow2',
      ide2: 'none',
      net1: 'model=e1000,bridge=vmbr0,macaddr=02:00:00:00:00:01',
      tags: 'Zed b,a;b',
      description: 'two\nlines \n\n',
      ciuser: '',
      cores: '04',
    })
    expect(await config()).toMatchObject({
      scsi0: 'tank:100/vm-100-disk-0.qcow2,backup=0,discard=on,size=1G,ssd=1',
      ide2: 'none,media=cdrom',
      net1: 'e1000=02:00:00:00:00:01,bridge=vmbr0',
      tags: 'a;b;zed',
      description: 'two\nlines',
      ciuser: ' ',
      cores: 4,
      boot: 'order=scsi0;ide2;net1',
    })
  })

  test('with nothing to start from has a blank boot order, and no description if it is empty', async () => {
    await create({ description: '' })
    expect((await config()).boot).toBe(' ')
    expect(await config()).not.toHaveProperty('description')
  })

  test('has firmware and TPM of their own sizes', async () => {
    await create({ efidisk0: 'tank:1,efitype=4m', tpmstate0: 'tank:9,version=v2.0' })
    expect(await config()).toMatchObject({
      efidisk0: 'tank:100/vm-100-disk-0.raw,efitype=4m,size=528K',
      tpmstate0: 'tank:100/vm-100-disk-1.raw,size=4M,version=v2.0',
    })
  })

  test('of Windows keeps its machine, one of ARM has no generation id', async () => {
    await create({ ostype: 'win11', machine: 'q35' })
    expect((await config()).machine).toBe('pc-q35-10.1')
    await lab.task('POST', qemu, { vmid: 101, arch: 'aarch64' }, await lab.rootTicket())
    expect((await lab.get(`${qemu}/101/config`)).data).not.toHaveProperty('vmgenid')
  })

  test('whose option cannot be kept is not made', async () => {
    expect(await create({ ciuser: 'a\nb', scsi0: 'tank:1' })).toBe(
      "unable to create VM 100 - unable to parse value of 'ciuser' - property contains a line feed",
    )
    expect((await lab.get('/nodes/pve/storage/tank/content')).data).toEqual([])
  })
})

describe('a change', () => {
  beforeEach(() => create({ scsi0: 'tank:1', scsi1: 'tank:1', net0: 'virtio,bridge=vmbr0' }))

  test('of drives moves them in and out of the boot order', async () => {
    await put({ ide2: 'none,media=cdrom' })
    expect((await config()).boot).toBe('order=scsi0;net0;ide2')
    await put({ delete: 'scsi0' })
    expect(await config()).toMatchObject({ boot: 'order=net0;ide2', unused0: 'tank:100/vm-100-disk-0.raw' })
    expect((await put({ boot: 'order=scsi0' })).reason).toBe(
      "invalid bootorder: device 'scsi0' does not exist'",
    )
    expect((await config()).boot).toBe('order=net0;ide2')
  })

  test('of a locked VM is refused at once, also in the background', async () => {
    await lab.call('PUT', `${qemu}/100/config`, { lock: 'backup' }, await lab.rootTicket())
    for (const method of ['PUT', 'POST'])
      expect((await lab.call(method, `${qemu}/100/config`, { cores: 2 })).reason).toBe(
        'VM is locked (backup)',
      )
  })

  test('with a new cloud-init drive needs the snippets', async () => {
    await put({ cicustom: 'user=local:snippets/none.yaml' })
    expect((await put({ ide2: 'tank:cloudinit' })).reason).toBe(
      "volume 'local:snippets/none.yaml' does not exist",
    )
  })

  test('of two things at once is refused', async () => {
    expect((await put({ cores: 2, revert: 'cores' })).errors).toEqual({
      delete: "you can't use '-cores' and -revert cores' at the same time",
    })
    expect((await put({ force: 1, cores: 2 })).errors).toEqual({
      delete: "missing property required by 'force'",
    })
  })

  test('of a balloon that is too large is refused', async () => {
    expect((await put({ memory: 512, balloon: 1024 })).reason).toBe(
      'balloon value too large (must be smaller than assigned memory)',
    )
  })

  test('with a delay answers when it is done', async () => {
    const { data } = await lab.call('POST', `${qemu}/100/config`, { cores: 3, background_delay: 5 })
    expect(data).toBeNull()
    expect((await config()).cores).toBe(3)
  })

  test('of a running VM waits if only a new device could have it', async () => {
    await lab.task('POST', `${qemu}/100/status/start`)
    await put({ scsi1: 'tank:100/vm-100-disk-1.raw,discard=on', scsi2: 'tank:1', ide0: 'tank:1', agent: 1 })
    const pending = (await lab.get(`${qemu}/100/pending`)).data as { key: string; pending?: unknown }[]
    const waiting = pending.filter(each => each.pending !== undefined).map(each => each.key)
    expect(waiting.sort()).toEqual(['agent', 'ide0', 'scsi1'])
    await put({ hotplug: '0' })
    await put({ delete: 'scsi2' })
    expect((await lab.get(`${qemu}/100/pending`)).data).toContainEqual(
      expect.objectContaining({ key: 'scsi2', delete: 1 }),
    )
  })
})

describe('memory in modules', () => {
  const waiting = async () =>
    ((await lab.get(`${qemu}/100/pending`)).data as { key: string; pending?: unknown }[])
      .filter(each => each.pending !== undefined)
      .map(each => each.key)
  const start = () => lab.task('POST', `${qemu}/100/status/start`)

  test.each([
    [{ memory: 2048 }, 'NUMA needs to be enabled for memory hotplug'],
    [{ memory: 512, numa: 1 }, 'minimum memory must be 1024MB'],
    [
      { memory: 2048, numa: 1, numa0: 'cpus=0,memory=2048' },
      'cannot enable memory hotplugging with custom NUMA topology',
    ],
    [{ memory: 1_000_000, numa: 1 }, 'Total memory is bigger than 524288MB'],
  ])('does not start with %o', async (options, reason) => {
    await create({ hotplug: 'memory', ...options })
    expect(await start()).toBe(reason)
  })

  test('changes while the VM runs, by whole modules', async () => {
    await create({ hotplug: 'memory', memory: 2048, numa: 1 })
    expect(await start()).toBe('OK')
    const after = async (memory: number) => {
      await put({ memory })
      return Number((await lab.get(`${qemu}/100/config?current=1`)).data.memory)
    }
    expect([await after(2500), await after(4096), await after(3000), await after(1024)]).toEqual([
      ...[2560, 4096, 2560, 1024],
    ])
    expect(await waiting()).toEqual([])
    expect((await put({ memory: 512 })).errors).toEqual({
      memory: expect.stringMatching(
        /^hotplug problem - memory can't be lower than 1024 MB at .* line \d+\.\n$/,
      ),
    })
  })

  test('waits without the feature', async () => {
    await create({ memory: 2048, numa: 1 })
    await start()
    await put({ memory: 4096 })
    expect(await waiting()).toEqual(['memory'])
  })
})

test.each([
  [{ net0: 'virtio=BC:24:11:00:00:01,rate=5' }, ['net0']],
  [{ net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0,rate=5,tag=7' }, []],
  [{ net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0,mtu=1400' }, ['net0']],
  [{ agent: '0,fstrim_cloned_disks=1' }, ['agent']],
])('without hotplug of cards, %o waits for: %o', async (change, keys) => {
  await create({ hotplug: 'disk', agent: 0, net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0' })
  await lab.task('POST', `${qemu}/100/status/start`)
  await put(change)
  const pending = (await lab.get(`${qemu}/100/pending`)).data as { key: string; pending?: unknown }[]
  expect(pending.filter(each => each.pending !== undefined).map(each => each.key)).toEqual(keys)
})

describe('the cloud-init drive', () => {
  test('of Windows is a config drive', async () => {
    await create({ ostype: 'win10', ipconfig0: 'ip=10.0.0.5/24,gw=10.0.0.1', net0: 'virtio', name: 'w' })
    const dump = async (type: string) => (await lab.get(`${qemu}/100/cloudinit/dump?type=${type}`)).data
    expect(await dump('network')).toBe(
      [
        'auto lo',
        'iface lo inet loopback',
        '',
        'auto eth0',
        'iface eth0 inet static',
        '        address 10.0.0.5',
        '        netmask 255.255.255.0',
        '        gateway 10.0.0.1',
        '',
      ].join('\n'),
    )
    expect(JSON.parse(await dump('meta'))).toMatchObject({
      network_config: { content_path: '/content/0000' },
    })
  })

  test('shows neither a password nor snippets', async () => {
    await create({ cipassword: 'secret', cicustom: 'user=local:snippets/none.yaml', name: 'web' })
    expect((await lab.get(`${qemu}/100/cloudinit/dump?type=user`)).data).toContain(
      'fqdn: web\npassword: **********\n',
    )
  })
})
