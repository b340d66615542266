import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Pve } from '../../pve/core/pve.mts'
import type { VmConfig } from '../../pve/core/state.mts'
import { createFolders } from '../../pve/storage/files.mts'
import { generateCloudInit } from '../../pve/vm/cloud-init.mts'

/** Only what reads snippets needs more than a config. */
const noStorages = { store: { state: { storages: {} } } } as unknown as Pve
const generate = (config: VmConfig, pve = noStorages) => generateCloudInit(pve, 100, config)

describe('user-data', () => {
  test('of a bare VM', async () => {
    const { userData } = await generate({})
    expect(userData.split('\n')[0]).toBe('#cloud-config')
    expect(parse(userData)).toEqual({
      hostname: 'VM100',
      manage_etc_hosts: true,
      fqdn: 'VM100',
      chpasswd: { expire: false },
      users: ['default'],
      package_upgrade: true,
    })
  })

  test('with a user, keys and no upgrade', async () => {
    const sshkeys = encodeURIComponent('ssh-ed25519 AAAA ann@a\n\nssh-rsa BBBB ann@b\n')
    const config = { name: 'web', searchdomain: 'example.com', ciuser: 'ann', cipassword: '$5$x$y' }
    expect(parse((await generate({ ...config, sshkeys, ciupgrade: '0' })).userData)).toEqual({
      hostname: 'web',
      fqdn: 'web.example.com',
      manage_etc_hosts: true,
      user: 'ann',
      password: '$5$x$y',
      ssh_authorized_keys: ['ssh-ed25519 AAAA ann@a', 'ssh-rsa BBBB ann@b'],
      chpasswd: { expire: false },
      users: ['default'],
    })
  })

  test('root is let in and is no further user', async () => {
    const data = parse((await generate({ name: 'web.example.com', ciuser: 'root' })).userData)
    expect(data).toMatchObject({
      hostname: 'web',
      fqdn: 'web.example.com',
      user: 'root',
      disable_root: false,
    })
    expect(data).not.toHaveProperty('users')
  })
})

describe('network config', () => {
  const networkOf = async (config: VmConfig) => parse((await generate(config)).networkConfig)
  const net0 = 'virtio=BC:24:11:00:00:01,bridge=vmbr0'

  test.each([
    ['ip=dhcp', [{ type: 'dhcp4' }]],
    ['ip=dhcp,ip6=auto', [{ type: 'dhcp4' }, { type: 'ipv6_slaac' }]],
    [
      'ip=192.168.122.50/24,gw=192.168.122.1',
      [{ type: 'static', address: '192.168.122.50', netmask: '255.255.255.0', gateway: '192.168.122.1' }],
    ],
    ['ip=10.0.0.9/20', [{ type: 'static', address: '10.0.0.9', netmask: '255.255.240.0' }]],
    ['ip6=fd00::9/64,gw6=fd00::1', [{ type: 'static6', address: 'fd00::9/64', gateway: 'fd00::1' }]],
  ])('of %s', async (ipconfig0, subnets) => {
    expect(await networkOf({ net0, ipconfig0 })).toEqual({
      version: 1,
      config: [{ type: 'physical', name: 'eth0', mac_address: 'bc:24:11:00:00:01', subnets }],
    })
  })

  test('leaves out cards without an address, and names servers and domains', async () => {
    const { config } = await networkOf({ net0, nameserver: '1.1.1.1 9.9.9.9', searchdomain: 'example.com' })
    expect(config).toEqual([{ type: 'nameserver', address: ['1.1.1.1', '9.9.9.9'], search: ['example.com'] }])
  })
})

test('the instance id is the SHA-1 of both, so any change makes a new instance', async () => {
  const { userData, networkConfig, metaData } = await generate({ name: 'web' })
  const id = createHash('sha1').update(`${userData}${networkConfig}`).digest('hex')
  expect(metaData).toBe(`instance-id: ${id}\n`)
  expect((await generate({ name: 'other' })).metaData).not.toBe(metaData)
})

test('cicustom puts snippets in the place of single files', async () => {
  const path = await mkdtemp(join(tmpdir(), 'snippets-'))
  try {
    const storages = { local: { type: 'dir', content: ['snippets'], path } } as const
    await createFolders({ local: { ...storages.local, content: ['snippets'] } })
    await writeFile(join(path, 'snippets', 'user.yaml'), '#cloud-config\nhostname: mine\n')
    const nodes = [{ name: 'pve', online: true }]
    const pve = { node: 'pve', store: { state: { nodes, storages } } } as unknown as Pve
    const drive = await generate({ name: 'web', cicustom: 'user=local:snippets/user.yaml' }, pve)
    expect(drive.userData).toBe('#cloud-config\nhostname: mine\n')
    expect(drive.networkConfig).toContain('version: 1')
    await expect(generate({ cicustom: 'user=local:snippets/none.yaml' }, pve)).rejects.toThrow(
      "volume 'local:snippets/none.yaml' does not exist",
    )
  } finally {
    await rm(path, { recursive: true })
  }
})
