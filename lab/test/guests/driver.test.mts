import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GuestCloudInit, GuestStart } from '../../guests/driver.mts'
import { type DriverClient, guestStart, sshOptions, startDriver } from './driver-client.mts'

let driver: DriverClient
let base: string
let volumes = 0

beforeAll(async () => {
  driver = await startDriver()
  base = join(driver.folder, 'base')
  await driver.call('importDisk', driver.image.path, base)
})

afterAll(() => driver?.close())

/** A full clone of the imported image. */
async function clonedDisk(source = base): Promise<string> {
  volumes += 1
  const path = join(driver.folder, `disk-${volumes}`)
  await driver.call('cloneDisk', source, path, 'full')
  return path
}

/** As Proxmox generates it, but with the `users` that is not deprecated. */
function drive(host: number, userData = '', instance = 'one'): GuestCloudInit {
  return {
    slot: 'ide2',
    userData: `#cloud-config\nhostname: web\nmanage_etc_hosts: true\nssh_authorized_keys: ['${driver.publicKey}']\n${userData}`,
    metaData: `instance-id: ${instance}\n`,
    networkConfig: `version: 1
config:
  - type: physical
    name: eth0
    mac_address: 'bc:24:11:00:00:01'
    subnets:
      - { type: static, address: 192.168.122.${host}, netmask: 255.255.255.0, gateway: 192.168.122.1 }
`,
  }
}

async function boot(disk: string, changes: Partial<GuestStart> = {}): Promise<void> {
  await driver.call('start', guestStart(disk, changes))
}

async function shutDown(vmid = 100): Promise<void> {
  await driver.call('shutdown', vmid)
  expect(await driver.call('exited', vmid)).toEqual({ reason: 'poweroff' })
}

/** Polls until `look` gives a value, for at most 20 s. */
async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 20_000
  while (Date.now() < deadline) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  throw new Error(`nothing came of ${look} within 20 s`)
}

const consoleSays = (text: string, vmid = 100) =>
  until(async () => ((await driver.call('console', vmid)).includes(text) ? true : undefined))

describe('a booted full clone', () => {
  const address = '192.168.122.50'
  let disk: string
  const ssh = (command: string) => driver.ssh(address, command)

  beforeAll(async () => {
    disk = await clonedDisk()
    await boot(disk, { cloudInit: drive(50) })
  })

  afterAll(() => driver.call('stop', 100))

  test('is reached by key over its own sshd, as the default user of Debian', async () => {
    const { stdout, code } = await ssh('id -un; hostname; cat /etc/debian_version')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^debian\nweb\n12\.\d+\n$/)
  })

  test('gives that user root by sudo, and root itself no login', async () => {
    expect((await ssh('sudo id -u')).stdout).toBe('0\n')
    // The refusal is slow on purpose: it says why and sleeps for 10 s.
    const asRoot = ['timeout', '4', 'ssh', ...sshOptions(driver.folder), `root@${address}`, 'id']
    const { stdout } = await driver.exec(asRoot)
    expect(stdout).toContain('Please login as the user "debian" rather than the user "root".')
    expect(stdout).not.toContain('uid=')
  })

  test('refuses a key it was not given', async () => {
    const stranger = join(driver.folder, 'stranger')
    await driver.exec(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', stranger])
    const options = sshOptions(driver.folder).with(1, `IdentityFile=${stranger}`)
    const { code, stderr } = await driver.exec(['ssh', ...options, `debian@${address}`, 'true'])
    expect(code).toBe(255)
    expect(stderr).toContain('Permission denied (publickey)')
  })

  test('takes files by scp and gives them back by sftp', async () => {
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 251))
    const [sent, received] = [join(driver.folder, 'sent'), join(driver.folder, 'received')]
    await writeFile(sent, bytes)
    const options = sshOptions(driver.folder)
    expect(await driver.exec(['scp', ...options, sent, `debian@${address}:/tmp/file`])).toMatchObject({
      code: 0,
    })
    const batch = `get /tmp/file ${received}\n`
    await driver.exec(['sftp', ...options, '-b', '-', `debian@${address}`], batch)
    expect((await readFile(received)).equals(bytes)).toBe(true)
  })

  test('has processes, host name and users of its own', async () => {
    const { stdout } = await ssh(
      'sudo sh -c "ps -e | wc -l; ls /proc/1/exe -l; hostname elsewhere; hostname"',
    )
    expect(Number(stdout.split('\n')[0])).toBeLessThan(20)
    expect(stdout).toContain('/usr/bin/bash')
    const outside = await driver.exec(['hostname'])
    expect(outside.stdout.trim()).not.toBe('elsewhere')
  })

  test('cannot set the clock of the machine it runs on', async () => {
    expect((await ssh('sudo date -s 2001-01-01')).stderr).toContain('Operation not permitted')
  })

  test('cloud-init is done, with nothing to complain of', async () => {
    const { code, stdout } = await ssh('cloud-init status --wait --long')
    expect(stdout).toContain('status: done\nextended_status: done\n')
    expect(code).toBe(0)
  })

  test('the agent is silent until the package is installed and its service runs', async () => {
    await expect(driver.call('agent', 100, 'guest-ping')).rejects.toMatchObject({ name: 'AgentNotRunning' })
    const install = await ssh('sudo apt-get -q update && sudo apt-get -q -y install qemu-guest-agent')
    expect(install).toMatchObject({ code: 0 })
    await expect(driver.call('agent', 100, 'guest-ping')).rejects.toMatchObject({ name: 'AgentNotRunning' })
    expect(await ssh('sudo systemctl start qemu-guest-agent')).toMatchObject({ code: 0 })
    const ping = () => driver.call('agent', 100, 'guest-ping').catch(() => undefined)
    expect(await until(ping)).toEqual({})
  })

  test('the agent tells addresses, the system and what a program printed', async () => {
    const interfaces = await driver.call('agent', 100, 'guest-network-get-interfaces')
    expect(interfaces.map((one: { name: string }) => one.name)).toEqual(['lo', 'eth0'])
    expect(interfaces[1]).toMatchObject({
      'hardware-address': 'bc:24:11:00:00:01',
      'ip-addresses': expect.arrayContaining([
        { 'ip-address': address, 'ip-address-type': 'ipv4', prefix: 24 },
      ]),
    })
    expect(Object.values(interfaces[1].statistics)).toEqual(Array(8).fill(expect.any(Number)))
    expect(await driver.call('agent', 100, 'guest-get-osinfo')).toMatchObject({
      id: 'debian',
      'version-id': '12',
    })
    expect(await driver.call('agent', 100, 'guest-fsfreeze-status')).toBe('thawed')
    const { pid } = await driver.call('agent', 100, 'guest-exec', {
      path: '/bin/echo',
      arg: ['hello'],
      'capture-output': true,
    })
    const ended = await until(async () => {
      const status = await driver.call('agent', 100, 'guest-exec-status', { pid })
      return status.exited ? status : undefined
    })
    expect(ended).toMatchObject({ exitcode: 0, 'out-data': Buffer.from('hello\n').toString('base64') })
  })

  test('the agent refuses to freeze file systems, which are the machine’s', async () => {
    const freeze = driver.call('agent', 100, 'guest-fsfreeze-freeze')
    await expect(freeze).rejects.toMatchObject({ name: 'AgentCommandFailed' })
  })

  test('reboots, and is the same instance with the same host keys', async () => {
    const state = 'cat /etc/ssh/ssh_host_ed25519_key.pub /etc/machine-id'
    const before = await ssh(state)
    await ssh('sudo reboot')
    await consoleSays('reboot: Restarting system')
    expect((await ssh(`cloud-init status --wait > /dev/null; ${state}`)).stdout).toBe(before.stdout)
    // udev starts an installed agent at boot, where the VM has the port for it.
    expect(await until(() => driver.call('agent', 100, 'guest-ping').catch(() => undefined))).toEqual({})
  })

  test('powers off from inside, and keeps its disk', async () => {
    await ssh('echo kept | sudo tee /kept; sudo poweroff')
    expect(await driver.call('exited', 100)).toEqual({ reason: 'poweroff' })
    expect(await driver.call('console', 100)).toContain('reboot: Power down')
    await boot(disk, { cloudInit: drive(50) })
    expect((await ssh('cat /kept')).stdout).toBe('kept\n')
  })

  test('without an agent channel an installed agent does not start', async () => {
    await shutDown()
    await boot(disk, { cloudInit: drive(50), agentChannel: false })
    const { stderr } = await ssh('sudo systemctl start qemu-guest-agent')
    expect(stderr).toContain('A dependency job for qemu-guest-agent.service failed')
    await expect(driver.call('agent', 100, 'guest-ping')).rejects.toMatchObject({ name: 'AgentNotRunning' })
  })

  test('is gone when the plug is pulled, and can be started again at once', async () => {
    await driver.call('stop', 100)
    expect(await driver.call('exited', 100)).toEqual({ reason: 'stopped' })
    await boot(disk, { cloudInit: drive(50) })
    expect((await ssh('true')).code).toBe(0)
  })
})

describe('cloud-init', () => {
  test('ends with 2 and names the deprecation where Proxmox wrote `user`', async () => {
    await boot(await clonedDisk(), { cloudInit: drive(51, 'user: admin\nusers: [default]\n') })
    const status = await driver.ssh('192.168.122.51', 'cloud-init status --wait --format json', 'admin')
    expect(status.code).toBe(2)
    expect(JSON.parse(status.stdout)).toMatchObject({
      status: 'done',
      extended_status: 'degraded done',
      recoverable_errors: { DEPRECATED: [expect.stringContaining("Use of 'user' is deprecated")] },
    })
    const long = await driver.ssh('192.168.122.51', 'cloud-init status --long', 'admin')
    expect(long.stdout).toContain('recoverable_errors:\nDEPRECATED:\n\t- Deprecated cloud-config')
    await shutDown()
  })

  test('says in its files what it came to: an account and a package that cannot be had', async () => {
    const userData = `users: [default, { name: ann, gecos: 'shop: front', sudo: ALL, ssh_authorized_keys: [x] }]
packages: [qemu-guest-agent, no-such-package]
`
    await boot(await clonedDisk(), { cloudInit: drive(58, userData) })
    const ssh = (command: string) => driver.ssh('192.168.122.58', command)
    const status = await ssh('cloud-init status --wait --format json')
    expect(status.code).toBe(1)
    const { stdout } = await ssh('cat /run/cloud-init/result.json; cat /run/cloud-init/status.json; id ann')
    const [result, stages] = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).v1)
    const account = expect.stringMatching(
      /^\('users_groups', ProcessExecutionError\("Unexpected error while running command\.\\nCommand: \['useradd', 'ann', .*Exit code: 3.*useradd: invalid comment 'shop: front'"\)\)$/,
    )
    const packages =
      "('package_update_upgrade_install', PackageInstallerError(\"Failed to install the following packages: " +
      "{'no-such-package'}. See associated package manager logs for more details.\"))"
    expect(result.errors).toEqual([account, packages])
    expect(JSON.parse(status.stdout).errors).toEqual([account, packages])
    expect(stages).toMatchObject({
      stage: null,
      init: { errors: [account] },
      'modules-final': {
        errors: [packages],
        recoverable_errors: { WARNING: expect.arrayContaining([expect.stringContaining('no-such-package')]) },
      },
    })
    expect((await ssh('test -x /usr/sbin/qemu-ga')).code).toBe(0)
    expect((await ssh('sudo cat /etc/sudoers.d/90-cloud-init-users')).stdout).not.toContain('ann')
    await shutDown()
  })

  test('writes files, sets passwords, installs packages, runs commands; an error ends with 1', async () => {
    const userData = `password: hunter2
chpasswd: { expire: false }
ssh_pwauth: true
package_update: true
packages: [qemu-guest-agent]
write_files: [{ path: /opt/x/hello, content: 'hi there', permissions: '0640', owner: 'root:adm' }]
runcmd: ['echo run > /ran', 'exit 3']
`
    await boot(await clonedDisk(), { cloudInit: drive(52, userData) })
    const ssh = (command: string) => driver.ssh('192.168.122.52', command)
    const status = await ssh('cloud-init status --wait --long')
    expect(status.stdout).toContain("\t- ('scripts_user', RuntimeError('Runparts: 1 failures (runcmd)")
    expect(status.code).toBe(1)
    const looks =
      'stat -c "%a %U:%G" /opt/x/hello; cat /opt/x/hello; cat /ran; test -x /usr/sbin/qemu-ga; echo $?'
    expect((await ssh(looks)).stdout).toBe('640 root:adm\nhi thererun\n0\n')
    const shadow = await ssh('sudo grep ^debian: /etc/shadow; sudo sshd -T | grep ^passwordauth')
    expect(shadow.stdout).toMatch(/^debian:\$y\$.*\npasswordauthentication yes\n$/)
    await shutDown()
  })

  test('takes a NoCloud ISO where the VM has no drive, asks for an address, and powers off when told', async () => {
    const iso = join(driver.folder, 'seed.iso')
    const fixture = join(import.meta.dirname, '..', 'fixtures', 'seed-iso', 'joliet.iso.gz')
    await writeFile(iso, gunzipSync(await readFile(fixture)))
    const disk = await clonedDisk()
    await boot(disk, { cdroms: [{ slot: 'ide3', path: iso }] })
    await consoleSays('Cloud-init finished')
    await shutDown()
    expect(await readFile(join(disk, 'root', 'etc', 'hostname'), 'utf8')).toBe('from-iso\n')
    expect(await readFile(join(disk, 'root', 'ran-from-iso'), 'utf8')).toBe('')
  })

  test('powers off by power_state only when its condition holds', async () => {
    const off = (condition: string) => `power_state: { mode: poweroff, condition: ${condition} }\n`
    await boot(await clonedDisk(), { cloudInit: drive(53, off('test -e /etc/debian_version')) })
    expect(await driver.call('exited', 100)).toEqual({ reason: 'poweroff' })
    await boot(await clonedDisk(), { cloudInit: drive(53, off('test -e /nowhere')) })
    const status = await driver.ssh('192.168.122.53', 'cloud-init status --wait; sleep 1; echo still here')
    expect(status.stdout).toContain('still here')
    await driver.call('stop', 100)
  })

  test('clean makes a template: its clones are instances of their own', async () => {
    const disk = await clonedDisk()
    await boot(disk, { cloudInit: drive(54) })
    const ssh = (address: string, command: string) => driver.ssh(address, command)
    const identity = 'cat /etc/machine-id; cat /etc/ssh/ssh_host_ed25519_key.pub'
    const first = await ssh('192.168.122.54', `cloud-init status --wait > /dev/null; ${identity}`)
    const clean =
      'sudo cloud-init clean --logs --machine-id && ls /var/lib/cloud; ls /var/log/cloud-init* | wc -l'
    expect((await ssh('192.168.122.54', `${clean} 2> /dev/null; cat /etc/machine-id`)).stdout).toBe(
      '0\nuninitialized\n',
    )
    await shutDown()
    await boot(await clonedDisk(disk), { cloudInit: drive(55, '', 'two') })
    const second = await ssh('192.168.122.55', identity)
    const [firstId, firstKey] = first.stdout.split('\n')
    const [secondId, secondKey] = second.stdout.split('\n')
    expect(secondId).toMatch(/^[0-9a-f]{32}$/)
    expect(secondId).not.toBe(firstId)
    expect(secondKey).not.toBe(firstKey)
    await shutDown()
  })

  test('without host keys and without cloud-init there is no sshd', async () => {
    await boot(await clonedDisk())
    await consoleSays('[FAILED] Failed to start ssh.service')
    await driver.call('stop', 100)
  })

  test('a machine-id that was left in the template stays the same in its clones', async () => {
    const disk = await clonedDisk()
    await writeFile(join(disk, 'root', 'etc', 'machine-id'), '0123456789abcdef0123456789abcdef\n')
    await boot(disk, { cloudInit: drive(56) })
    expect((await driver.ssh('192.168.122.56', 'cat /etc/machine-id')).stdout).toContain('0123456789abcdef')
    await driver.call('stop', 100)
  })
})

describe('a guest that is halted', () => {
  const count =
    'nohup sh -c "while sleep 0.1; do echo >> /tmp/turns; done" > /dev/null 2>&1 & sleep 0.5; wc -l < /tmp/turns'
  const turns = (disk: string) =>
    readFile(join(disk, 'root', 'tmp', 'turns'), 'utf8').then(({ length }) => length)

  test('does nothing until it goes on; from the disk it comes back with its processes', async () => {
    const disk = await clonedDisk()
    await boot(disk, { cloudInit: drive(59) })
    expect(Number((await driver.ssh('192.168.122.59', count)).stdout)).toBeGreaterThan(0)
    await driver.call('pause', 100)
    const before = await turns(disk)
    await new Promise(resolve => setTimeout(resolve, 500))
    expect(await turns(disk)).toBe(before)
    await driver.call('resume', 100)
    await until(async () => ((await turns(disk)) > before ? true : undefined))
    const state = join(driver.folder, 'state')
    await driver.call('hibernate', 100, state)
    const asleep = await turns(disk)
    await boot(disk, { state })
    await until(async () => ((await turns(disk)) > asleep ? true : undefined))
    await driver.call('pause', 100)
    await driver.call('stop', 100)
    expect(await driver.call('exited', 100)).toEqual({ reason: 'stopped' })
  })
})

describe('disks', () => {
  test('keep what they were in a snapshot, and a copy of it in a file', async () => {
    const disk = await clonedDisk()
    const note = (path: string) => join(path, 'root', 'note')
    await writeFile(note(disk), 'before')
    await driver.call('snapshotDisk', disk, 'one')
    await writeFile(note(disk), 'after')
    const [file, restored] = [join(driver.folder, 'disk.file'), join(driver.folder, 'restored')]
    await driver.call('exportDisk', disk, file, 'one')
    await driver.call('restoreDisk', file, restored)
    expect(await readFile(note(restored), 'utf8')).toBe('before')
    await driver.call('rollbackDisk', disk, 'one')
    expect(await readFile(note(disk), 'utf8')).toBe('before')
    await driver.call('deleteSnapshot', disk, 'one')
    await expect(driver.call('rollbackDisk', disk, 'one')).rejects.toThrow('has no snapshot one')
  })

  test('a linked clone does not boot: its root partition is not there', async () => {
    const path = join(driver.folder, 'linked')
    await driver.call('cloneDisk', base, path, 'linked')
    await boot(path, { cloudInit: drive(57) })
    await consoleSays('does not exist.  Dropping to a shell!')
    expect(await driver.call('console', 100)).toMatch(/^ALERT! {2}PARTUUID=[0-9a-f-]{36} does not exist/)
    await driver.call('shutdown', 100)
    const still = Promise.race([
      driver.call('exited', 100),
      new Promise(resolve => setTimeout(resolve, 500, 'runs')),
    ])
    expect(await still).toBe('runs')
    await driver.call('stop', 100)
  })

  test('a full clone lives on without its source', async () => {
    const source = await clonedDisk()
    const clone = await clonedDisk(source)
    await driver.call('deleteDisk', source)
    await boot(clone, { cloudInit: drive(58) })
    expect((await driver.ssh('192.168.122.58', 'true')).code).toBe(0)
    await driver.call('stop', 100)
  })

  test('a blank disk does not boot, and a disk only grows', async () => {
    const path = join(driver.folder, 'blank')
    await driver.call('createDisk', path, 1_000_000)
    await boot(path)
    await consoleSays('No bootable device.')
    await driver.call('stop', 100)
    await driver.call('resizeDisk', path, 2_000_000)
    await expect(driver.call('resizeDisk', path, 1_500_000)).rejects.toThrow('shrinking')
  })

  test.each([
    ['a qcow2 image', Buffer.from('QFI\xfb\0\0\0\x03', 'latin1')],
    ['empty', Buffer.alloc(0)],
    ['not an image of the lab', Buffer.from('<html>not found</html>')],
  ])('an import of %s is refused by what it is, and leaves nothing', async (kind, content) => {
    const folder = join(driver.folder, 'bad')
    await mkdir(folder, { recursive: true })
    const image = join(folder, 'image.qcow2')
    await writeFile(image, content)
    const target = join(folder, 'target')
    await expect(driver.call('importDisk', image, target)).rejects.toThrow(`is ${kind}: sim guests only read`)
    await expect(readFile(join(target, 'volume.json'))).rejects.toThrow('ENOENT')
  })
})

test('guests that ask for an address get different ones, and keep theirs', async () => {
  const dhcp = (mac: string) => ({
    ...drive(0),
    networkConfig: `version: 1\nconfig:\n  - { type: physical, name: eth0, mac_address: '${mac}', subnets: [{ type: dhcp4 }] }\n`,
  })
  const macs = ['bc:24:11:00:00:01', 'bc:24:11:00:00:02']
  const disks = [await clonedDisk(), await clonedDisk()]
  const start = (index: number) =>
    boot(disks[index]!, {
      vmid: 101 + index,
      cloudInit: dhcp(macs[index]!),
      nics: [{ slot: 'net0', mac: macs[index]!, bridge: 'vmbr0', model: 'virtio' }],
    })
  const addressOf = async (vmid: number) => {
    await consoleSays('Cloud-init finished', vmid)
    const leases = await readFile(join(driver.folder, 'guests', String(vmid), 'hardware', 'leases'), 'utf8')
    return leases.split(' ')[1]!.split('/')[0]!
  }
  await start(0)
  await start(1)
  const [first, second] = [await addressOf(101), await addressOf(102)]
  expect(first).not.toBe(second)
  for (const address of [first, second]) expect((await driver.ssh(address, 'true')).code).toBe(0)
  expect((await driver.ssh(first, `ssh-keyscan -t ed25519 ${second} 2> /dev/null | wc -l`)).stdout).toBe(
    '1\n',
  )
  await driver.call('stop', 101)
  await start(0)
  expect(await addressOf(101)).toBe(first)
  await Promise.all([101, 102].map(vmid => driver.call('stop', vmid)))
})
