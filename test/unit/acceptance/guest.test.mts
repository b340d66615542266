import { stat } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { reachableAddresses } from '../../../scripts/lib/acceptance/addresses.mts'
import { firstBootSeed } from '../../../scripts/lib/acceptance/seed.mts'
import { createSshKey, sshCommand, sshServerOf } from '../../../scripts/lib/acceptance/ssh.mts'
import { bootDiskOf, cloudInitSlotOf, disksOf, macOf } from '../../../scripts/lib/proxmox/vm-devices.mts'

const config = {
  name: 'debian',
  boot: 'order=ide2;virtio1;scsi0',
  scsi0: 'tank:base-9000-disk-0,size=3G',
  virtio1: 'tank:base-9000-disk-1,size=32G',
  ide0: 'tank:vm-9000-cloudinit,media=cdrom,size=4M',
  ide2: 'local:iso/x.iso,media=cdrom',
  scsihw: 'virtio-scsi-single',
  efidisk0: 'tank:base-9000-disk-2',
  net0: 'virtio=BC:24:11:0A:0b:0C,bridge=vmbr0',
  memory: '2048',
}

describe('from the config of a VM', () => {
  test('its disks', () => {
    expect(disksOf(config)).toEqual({ scsi0: 'tank:base-9000-disk-0', virtio1: 'tank:base-9000-disk-1' })
  })

  test.each([
    ['the first disk of the boot order', config, 'virtio1'],
    ['the old key', { ...config, boot: 'cdn', bootdisk: 'scsi0' }, 'scsi0'],
    ['the first there is', { ...config, boot: '' }, 'scsi0'],
    ['none', {}, undefined],
  ])('the disk to boot from: %s', (_, given, slot) => {
    expect(bootDiskOf(given)).toBe(slot)
  })

  test.each([
    [config, 'ide0'],
    [{ scsi1: 'local:9000/vm-9000-cloudinit.qcow2,media=cdrom' }, 'scsi1'],
    [{ ide2: 'tank:cloudinit' }, 'ide2'],
    [{ ide2: 'local:iso/cloudinit-tools.iso,media=cdrom' }, undefined],
  ])('the cloud-init drive of %j', (given, slot) => {
    expect(cloudInitSlotOf(given)).toBe(slot)
  })

  test.each([
    [config, 'bc:24:11:0a:0b:0c'],
    [{}, undefined],
  ])('the MAC address of %j', (given, mac) => {
    expect(macOf(given)).toBe(mac)
  })
})

describe('addresses', () => {
  const interfaces = [
    { mac: '00:00:00:00:00:00', addresses: ['127.0.0.1/8', '::1/128'] },
    { mac: '02:42:ac:11:00:02', addresses: ['172.17.0.1/16'] },
    {
      mac: 'bc:24:11:0a:0b:0c',
      addresses: ['fe80::1/64', '2001:db8::5/64', '169.254.3.4/16', '192.168.1.5/24'],
    },
  ]

  test('are those of the network card, IPv4 first', () => {
    expect(reachableAddresses(interfaces, 'bc:24:11:0a:0b:0c')).toEqual(['192.168.1.5/24', '2001:db8::5/64'])
  })

  test('of every card, where its own is not known', () => {
    expect(reachableAddresses(interfaces, undefined)).toEqual([
      '172.17.0.1/16',
      '192.168.1.5/24',
      '2001:db8::5/64',
    ])
  })

  test('of another card do not count', () => {
    expect(reachableAddresses(interfaces, 'bc:24:11:ff:ff:ff')).toEqual([])
  })
})

describe('the seed of the clone whose first boot is looked at', () => {
  const options = {
    name: 'test-2',
    instanceId: 'abc',
    user: 'proxmint',
    publicKey: 'ssh-ed25519 AAAA',
    buildUser: 'packer',
  }

  test('makes the user, and looks before anything else', async () => {
    const seed = await firstBootSeed(options)
    expect(seed['meta-data']).toBe('instance-id: abc\nlocal-hostname: test-2\n')
    expect(seed['user-data']).toMatch(/^#cloud-config\n/)
    const { users, bootcmd } = parse(seed['user-data']!)
    expect(users).toEqual([
      {
        name: 'proxmint',
        sudo: 'ALL=(ALL) NOPASSWD:ALL',
        lock_passwd: true,
        ssh_authorized_keys: ['ssh-ed25519 AAAA'],
      },
    ])
    expect(bootcmd).toEqual([
      ['sh', '-c', expect.stringMatching(/^{\nBUILD_USER='packer'\n[\s\S]*} > \/run\/\S+\n$/)],
    ])
  })

  test.each(["x'; reboot; '", 'a b', '-x', '$(id)'])('refuses %s as a user', async buildUser => {
    await expect(firstBootSeed({ ...options, buildUser })).rejects.toThrow(RangeError)
  })
})

describe('SSH', () => {
  test('the key is a file of one owner, gone afterwards', async () => {
    let file: string
    {
      await using key = await createSshKey()
      file = key.file
      expect((await stat(file)).mode & 0o777).toBe(0o600)
      expect(key.publicKey).toMatch(/^ssh-ed25519 \S+ proxmint-test$/)
    }
    await expect(stat(file)).rejects.toThrow('ENOENT')
  })

  test('the script travels by standard input, the key by its file', () => {
    const plan = sshCommand({ host: '192.168.1.5', port: 22 }, 'proxmint', '/tmp/key', 'the script')
    expect(plan).toMatchObject({ file: 'ssh', input: 'the script', env: { SSH_AUTH_SOCK: undefined } })
    expect(plan.args.join(' ')).toContain('-i /tmp/key -p 22')
    expect(plan.args.join(' ')).not.toContain('the script')
    expect(plan.args).toContain('proxmint@192.168.1.5')
  })

  test.each([
    ['an address', {}, { host: '192.168.1.5', port: 22 }],
    [
      'a port of a lab on loopback',
      { PROXMINT_GUEST_SSH: '127.0.0.1:40000' },
      { host: '127.0.0.1', port: 40001 },
    ],
    ['an empty variable', { PROXMINT_GUEST_SSH: '' }, { host: '192.168.1.5', port: 22 }],
  ])('the server is at %s', (_, env, server) => {
    expect(sshServerOf(9001, '192.168.1.5/24', env)).toEqual(server)
  })

  test('a variable that is no HOST:PORT is refused', () => {
    expect(() => sshServerOf(9001, '192.168.1.5/24', { PROXMINT_GUEST_SSH: '127.0.0.1' })).toThrow(
      'PROXMINT_GUEST_SSH is not HOST:PORT: 127.0.0.1',
    )
  })
})
