import { once } from 'node:events'
import { lstat, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ssh2, { type Client, type SFTPWrapper } from 'ssh2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLab, type Lab } from '../create.mts'
import { asked, connect, execute, openSftp } from './node-ssh-client.mts'

const startLab = (stateFolder: string, isolation: 'namespace' | 'loopback') =>
  createLab({ guests: 'none', timeScale: 0, rootPassword: 'of-the-lab', stateFolder, isolation })

describe.each(['namespace', 'loopback'] as const)("the node's SSH, isolation %s", isolation => {
  let state: string
  let storages: string
  let snippets: string
  let lab: Lab
  let client: Client
  let sftp: SFTPWrapper

  beforeAll(async () => {
    state = await mkdtemp(join(tmpdir(), 'proxmint-node-'))
    storages = join(state, 'pve/storage')
    snippets = join(storages, 'local/snippets')
    lab = await startLab(state, isolation)
    client = await connect(lab)
    sftp = await openSftp(client)
  })

  afterAll(async () => {
    client?.end()
    await lab?.close()
    await rm(state, { recursive: true, force: true })
  })

  const content = async (query: string) => {
    const answer = await lab.exec([
      ...['curl', '-s', '--cacert', lab.caFile, '-H', `Authorization: ${lab.tokenEnv['PROXMOX_API_TOKEN']}`],
      `${lab.url}/nodes/pve/storage/local/content?content=${query}`,
    ])
    return JSON.parse(answer.stdout).data.map((file: { volid: string }) => file.volid)
  }

  describe('who may log in', () => {
    test('root, with the key or the password of root@pam', async () => {
      const other = await connect(lab, { password: 'of-the-lab' })
      expect(await execute(other, 'id -u')).toMatchObject({ code: 0, stdout: '0\n' })
      other.end()
    })

    test('nobody with another key, another password, another name or nothing', async () => {
      const key = ssh2.utils.generateKeyPairSync('ed25519').private
      const refused = 'All configured authentication methods failed'
      await expect(connect(lab, { privateKey: key })).rejects.toThrow(refused)
      await expect(connect(lab, { password: 'wrong' })).rejects.toThrow(refused)
      await expect(connect(lab, { username: 'joe' })).rejects.toThrow(refused)
      await expect(connect(lab, { username: 'root@pam', password: 'of-the-lab' })).rejects.toThrow(refused)
      await expect(connect(lab, { authHandler: ['none'] })).rejects.toThrow(refused)
    })

    test('the keys are readable by their owner alone', async () => {
      const folder = join(state, 'node-ssh')
      expect((await stat(folder)).mode & 0o777).toBe(0o700)
      expect((await stat(lab.nodeSsh.privateKeyFile)).mode & 0o777).toBe(0o600)
      expect((await stat(join(folder, 'host_ed25519'))).mode & 0o777).toBe(0o600)
    })

    test('OpenSSH knows the host by the key that is told, and sees the node inside the lab', async () => {
      const { host, port, user, privateKeyFile, hostKey } = lab.nodeSsh
      const known = join(state, 'known_hosts')
      await writeFile(known, `[${host}]:${port} ${hostKey}\n192.168.122.1 ${hostKey}\n`)
      const options = ['StrictHostKeyChecking=yes', `UserKnownHostsFile=${known}`, 'BatchMode=yes']
      const ssh = ['ssh', '-i', privateKeyFile, ...options.flatMap(option => ['-o', option])]
      const outside = await lab.exec([...ssh, '-p', String(port), `${user}@${host}`, 'id -u; exit 7'])
      expect(outside).toMatchObject({ code: 7, stdout: '0\n' })
      if (isolation === 'loopback') return
      expect(await lab.exec([...ssh, `${user}@192.168.122.1`, 'id -u'])).toMatchObject({ stdout: '0\n' })
    })
  })

  describe('what comes in', () => {
    test('by bash is a snippet', async () => {
      const text = '#cloud-config\n'.repeat(50_000)
      const command = `/bin/bash -c 'try_sudo(){ "$@"; }; try_sudo /usr/bin/tee ${snippets}/by-bash.yaml'`
      const result = await execute(client, command, text)
      expect(result).toMatchObject({ code: 0, stderr: '' })
      expect(result.stdout.length).toBe(text.length)
      expect(await readFile(join(snippets, 'by-bash.yaml'), 'utf8')).toBe(text)
      expect(await content('snippets')).toEqual(['local:snippets/by-bash.yaml'])
    })

    test('by SFTP is a snippet, with its mode', async () => {
      await asked(done => sftp.writeFile(`${snippets}/hook.sh`, '#!/bin/sh\n', done))
      await asked(done => sftp.chmod(`${snippets}/hook.sh`, 0o700, done))
      const info = await asked(done => sftp.stat(`${snippets}/hook.sh`, done))
      expect(info).toMatchObject({ mode: 0o100700, size: 10 })
      expect(await content('snippets')).toContain('local:snippets/hook.sh')
    })

    test('can be listed, moved, read in pieces and removed', async () => {
      const at = (name: string) => `local/snippets/${name}`
      await asked(done => sftp.mkdir(at('folder'), done))
      await asked(done => sftp.writeFile(at('folder/a'), Buffer.alloc(700_000, 'abc'), done))
      expect(await asked(done => sftp.rename(at('folder/a'), at('b'), done))).toBeUndefined()
      expect(await asked(done => sftp.readFile(at('b'), done))).toEqual(Buffer.alloc(700_000, 'abc'))
      expect(await asked(done => sftp.rmdir(at('folder'), done))).toBeUndefined()
      expect(await asked(done => sftp.unlink(at('b'), done))).toBeUndefined()
      const names = (await asked(done => sftp.readdir('local/snippets', done))) as { filename: string }[]
      expect(names.map(({ filename }) => filename).sort()).toEqual(['by-bash.yaml', 'hook.sh'])
    })
  })

  describe('nothing but the storages is reached', () => {
    const outside = () => [
      '/etc/passwd',
      '../../secrets.json',
      `${storages}/../../secrets.json`,
      `${storages}/local/../../../secrets.json`,
      `${state}/secrets.json`,
      '/proc/self/root/etc/passwd',
      '/proc/self/environ',
      'local/snippets/etc/passwd',
      'local/snippets/passwd',
    ]

    beforeAll(async () => {
      await execute(client, `ln -sn /etc ${snippets}/etc; ln -s /etc/passwd ${snippets}/passwd`)
      await execute(client, `ln -s ${state}/secrets.json ${snippets}/secrets.yaml`)
      expect((await lstat(join(snippets, 'etc'))).isSymbolicLink()).toBe(true)
    })

    test('by SFTP, to read', async () => {
      for (const path of outside()) {
        expect(await asked(done => sftp.readFile(path, done)), path).toMatch(
          /^(No such file|ENOENT|ELOOP|ENOTDIR)/,
        )
      }
      expect(await asked(done => sftp.readdir('/', done))).toMatch(/ENOENT/)
      expect(await asked(done => sftp.readdir('..', done))).toMatch(/ENOENT/)
      expect(await asked(done => sftp.readdir('local/snippets/etc', done))).toMatch(/ELOOP|ENOTDIR/)
      expect(await asked(done => sftp.readFile('local/snippets/by\0bash.yaml', done))).toMatch(/EINVAL/)
    })

    test('by SFTP, to write, move, make and link', async () => {
      const victim = join(state, 'victim')
      await writeFile(victim, 'as it was')
      expect(await asked(done => sftp.writeFile(victim, 'changed', done))).toMatch(/ENOENT/)
      expect(await asked(done => sftp.unlink(victim, done))).toMatch(/ENOENT/)
      expect(await asked(done => sftp.chmod(victim, 0o777, done))).toMatch(/ENOENT/)
      expect(await asked(done => sftp.rename('local/snippets/hook.sh', `${state}/hook.sh`, done))).toMatch(
        /ENOENT/,
      )
      expect(await asked(done => sftp.mkdir(`${storages}/../made`, done))).toMatch(/ENOENT/)
      expect(await asked(done => sftp.symlink('/etc', `${snippets}/link`, done))).toMatch(/unsupported/i)
      expect(await readFile(victim, 'utf8')).toBe('as it was')
    })

    test('by bash', async () => {
      for (const path of outside().filter(path => !path.startsWith('..')))
        expect((await execute(client, `cat ${path}`)).code, path).toBe(1)
      const attempts = [
        `echo x > ${state}/made`,
        'echo x > /usr/made-by-a-test',
        'mount -t tmpfs tmpfs /mnt',
        'mknod /dev/mem c 1 1',
        `chroot ${storages} /bin/true`,
        'unshare --mount true',
      ]
      for (const attempt of attempts) await execute(client, attempt)
      expect(await readdir(state)).not.toContain('made')
      await expect(stat('/usr/made-by-a-test')).rejects.toThrow('ENOENT')
      const capabilities = 'setpriv --dump | grep -i "bounding set"'
      if (isolation === 'namespace')
        expect((await execute(client, capabilities)).stdout).toMatch(/: chown,dac_override,fowner,fsetid\n$/)
    })

    // On loopback there is one network for all.
    if (isolation === 'namespace')
      test('by bash over the network', async () => {
        const port = new URL(lab.url).port
        const result = await execute(client, `echo > /dev/tcp/127.0.0.1/${port}`)
        expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/unreachable|refused/) })
      })

    test('by the API through a link that was left there', async () => {
      expect(await content('snippets')).not.toContain('local:snippets/secrets.yaml')
      await execute(client, `mv ${snippets} ${storages}/local/kept && ln -s /etc ${snippets}`)
      expect(await content('snippets')).toEqual([])
      await execute(client, `rm ${snippets} && mv ${storages}/local/kept ${snippets}`)
      expect(await content('snippets')).toContain('local:snippets/hook.sh')
    })
  })

  describe('the paths and the command of a node', () => {
    test('/var/lib/vz is the storage local, for commands and for SFTP', async () => {
      await execute(
        client,
        "mkdir -p /var/lib/vz/snippets && echo '#hi' | tee /var/lib/vz/snippets/at-vz.yaml",
      )
      expect(await readFile(join(snippets, 'at-vz.yaml'), 'utf8')).toBe('#hi\n')
      expect(await content('snippets')).toContain('local:snippets/at-vz.yaml')
      const path = '/var/lib/vz/snippets/at-vz.yaml'
      expect(await asked(done => sftp.stat(path, error => done(error)))).toBeUndefined()
      await execute(client, `rm ${path}`)
      expect(await asked(done => sftp.stat(path, error => done(error)))).toMatch(/no such file/i)
    })

    test('pvesm lists, finds, makes and frees, and says what is wrong', async () => {
      expect((await execute(client, 'pvesm apiinfo')).stdout).toBe('APIVER 15\nAPIAGE 6\n')
      expect((await execute(client, 'pvesm path local:iso/a.iso')).stdout).toBe(
        '/var/lib/vz/template/iso/a.iso\n',
      )
      const status = await execute(client, 'pvesm status --content images')
      expect(status.stdout).toMatch(
        /^Name +Type +Status +Total \(KiB\) .*\ntank +zfspool +active +\d+ +\d+ +\d+ +[\d.]+%\n$/,
      )
      expect(await execute(client, "pvesm alloc tank 900 '' 1G && pvesm list tank")).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(
          /^successfully created 'tank:vm-900-disk-0'\nVolid .*\ntank:vm-900-disk-0 raw +images +1073741824 900\n$/,
        ),
      })
      expect(await execute(client, 'pvesm free tank:vm-900-disk-0; pvesm list tank')).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^Volid .*\n$/),
      })
      expect(await execute(client, 'x=$(pvesm set none --content iso) || echo "$?"')).toMatchObject({
        stdout: '255\n',
        stderr: "update storage failed: storage 'none' does not exist\n",
      })
    })
  })

  describe('the command qm', () => {
    const output = async (command: string) => {
      const { code, stdout, stderr } = await execute(client, command)
      return code === 0 ? stdout : `${code}: ${stderr}`
    }

    test('imports an image as a disk, by the path of the node', async () => {
      await execute(
        client,
        'mkdir -p /var/lib/vz/template/iso && cp /usr/bin/bash /var/lib/vz/template/iso/disk.img',
      )
      expect(await output('/usr/sbin/qm create 900 --name web --memory 512')).toBe('')
      // As bpg/proxmox does for a disk with `file_id`.
      const imported = await output(
        `qm disk import 900 $(/usr/sbin/pvesm path local:iso/disk.img) tank -format qcow2 | grep unused0 | cut -d : -f 3 | cut -d "'" -f 1`,
      )
      expect(imported).toBe('vm-900-disk-0\n')
      expect(await output('qm set 900 -scsi0 tank:vm-900-disk-0,discard=on && qm config 900')).toMatch(
        /^memory: 512\nmeta: .*\nname: web\nscsi0: tank:vm-900-disk-0,discard=on,size=\d+[MK]?\nsmbios1: /m,
      )
    })

    test('says what is wrong', async () => {
      expect(await output('qm importdisk 900 /var/lib/vz/none.img tank')).toBe(
        '255: /var/lib/vz/none.img: non-existent or non-regular file\n',
      )
      expect(await output('qm importdisk 901 /var/lib/vz/none.img tank')).toBe(
        `255: Configuration file 'nodes/pve/qemu-server/901.conf' does not exist\n`,
      )
      expect(await output('qm importdisk 900 /var/lib/vz/template/iso/disk.img none')).toBe(
        "255: storage 'none' does not exist\n",
      )
      expect(await output('qm set 900 --cores none')).toBe(
        "255: 400 Parameter verification failed.\ncores: type check ('integer') failed - got 'none'\n",
      )
      expect(await output('qm nothing 900')).toBe("255: ERROR: unknown command 'qm nothing'\n")
    })

    test('removes a lock', async () => {
      await output('qm set 900 --lock backup')
      expect(await output('qm start 900')).toBe('255: VM is locked (backup)\n')
      expect(await output('qm unlock 900 && qm config 900 | grep lock || echo none')).toBe('none\n')
    })

    test('starts, stops, lists and destroys', async () => {
      expect(await output('qm start 900 && qm status 900 && qm stop 900 && qm status 900')).toBe(
        'status: running\nstatus: stopped\n',
      )
      expect(await output('qm list')).toMatch(/^ +VMID NAME .*\n +900 web +stopped +512 +0\.00 0 +\n$/)
      expect(await output('qm destroy 900 && qm list')).toBe('')
    })
  })

  test.each(['-1\\0', 'x\\0', '1\\0constructor\\0', '99999999\\0'])(
    'a command that asks the lab itself for %s harms nobody',
    async bytes => {
      await execute(client, `printf '${bytes}' >&3; read -t 1 <&4`)
      expect(await execute(client, 'pvesm apiinfo')).toMatchObject({ stdout: 'APIVER 15\nAPIAGE 6\n' })
    },
  )

  test('a handle that was never given is refused', async () => {
    const handle = Buffer.from([0, 0, 200, 1])
    const buffer = Buffer.alloc(10)
    expect(await asked(done => sftp.read(handle, buffer, 0, 10, 0, done))).toBe('no such file handle')
    expect(await asked(done => sftp.write(handle, buffer, 0, 10, 0, done))).toBe('no such file handle')
    expect(await asked(done => sftp.fstat(Buffer.from('no number'), done))).toBe('no such file handle')
    expect(await asked(done => sftp.close(handle, done))).toBe('no such handle')
    expect(await execute(client, 'echo still here')).toMatchObject({ stdout: 'still here\n' })
  })

  test('what is no SSH ends its own connection and no other', async () => {
    const socket = connectSocket(lab.nodeSsh.port, lab.nodeSsh.host)
    socket.on('error', () => undefined)
    socket.end(`SSH-2.0-${'x'.repeat(100_000)}\r\n`)
    await once(socket.resume(), 'close')
    expect(await execute(client, 'echo still here')).toMatchObject({ stdout: 'still here\n' })
  })

  test('a client that leaves takes its command with it', async () => {
    const other = await connect(lab)
    const mark = join(snippets, 'alive')
    other.exec(`while :; do echo x >> ${mark}; read -t 0.05 <> <(:) || :; done`, () => undefined)
    await expect.poll(() => stat(mark).catch(() => undefined), { timeout: 20_000 }).toBeDefined()
    other.destroy()
    const size = async () => (await stat(mark)).size
    await expect
      .poll(
        async () => {
          const before = await size()
          await new Promise(resolve => setTimeout(resolve, 300))
          return (await size()) - before
        },
        { timeout: 20_000 },
      )
      .toBe(0)
  })

  test('a lab that is taken up again has the keys and the snippets it had, and nothing else on its storages', async () => {
    const before = lab.nodeSsh
    const dangling = 'rmdir import && ln -s /nowhere/at/all import'
    expect(await execute(client, `cd ${storages}/local && ${dangling}`)).toMatchObject({ code: 0 })
    // Paths that lead to a storage of the lab, and to the folder above them.
    for (const [id, path] of [
      ['one', '/tank'],
      ['two', '/../..'],
      ['three', '/./local'],
    ] as const)
      await lab.exec([
        ...[
          'curl',
          '-sf',
          '--cacert',
          lab.caFile,
          '-H',
          `Authorization: ${lab.tokenEnv['PROXMOX_API_TOKEN']}`,
        ],
        ...['-d', `storage=${id}&type=dir&path=${path}`, `${lab.url}/storage`],
      ])
    client.end()
    await lab.close()
    expect((await readdir(storages)).sort()).toEqual(['local', 'one', 'tank', 'three', 'two'])
    lab = await startLab(state, isolation)
    expect(lab.nodeSsh.hostKey).toBe(before.hostKey)
    expect(await content('import')).toEqual([])
    client = await connect(lab)
    expect((await execute(client, `cat ${snippets}/hook.sh`)).stdout).toBe('#!/bin/sh\n')
  })
})
