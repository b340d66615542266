import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { openTofu, rootLogin, type Tofu, tokenLogin } from './opentofu.mts'
import { rootClient, startLab } from './workspace.mts'

/** Snippets by the node's SSH, ISOs by upload and images by download-url, by the bpg provider. */
let lab: Lab
let state: string
let tofu: Tofu

const stored = (folder: string, name: string) => join(state, 'pve/storage/local', folder, name)

beforeAll(async () => {
  state = join(tmpdir(), `proxmint-files-${process.pid}`)
  await mkdir(state)
  lab = await startLab({ guests: 'none', images: ['debian-12'], stateFolder: state })
  const sums = await lab.exec(['curl', '-sf', `${lab.imagesUrl}/SHA512SUMS`])
  const env = {
    ...tokenLogin(lab),
    TF_VAR_images_url: lab.imagesUrl,
    TF_VAR_image_checksum: sums.stdout.split(' ')[0]!,
  }
  tofu = await openTofu(lab, 'opentofu-files', env)
  await writeFile(join(tofu.folder, 'tools.iso'), Buffer.alloc(3_000_000, 'iso'))
  await writeFile(join(tofu.folder, 'disk.qcow2'), qcow2Header(8 * 2 ** 30))
})
afterAll(async () => {
  await tofu?.[Symbol.asyncDispose]()
  await lab?.close()
  await rm(state, { recursive: true, force: true })
})

/** As much of an image as tells what it is and how large its disk is, in bytes. */
function qcow2Header(diskSize: number): Buffer {
  const header = Buffer.alloc(512)
  header.write('QFI\xfb', 'latin1')
  header.writeUInt32BE(3, 4)
  header.writeBigUInt64BE(BigInt(diskSize), 24)
  return header
}

describe.sequential('files by OpenTofu', () => {
  test('snippet, ISO and image arrive whole', async () => {
    await tofu.apply()
    expect(await tofu.output('ids')).toEqual({
      snippet: 'local:snippets/motd.yaml',
      iso: 'local:iso/tools.iso',
      image: 'local:import/debian.qcow2',
      found: 'local:snippets/motd.yaml',
      size: 27,
    })
    expect(await readFile(stored('snippets', 'motd.yaml'), 'utf8')).toBe("#cloud-config\n# it's first\n")
    expect((await readFile(stored('template/iso', 'tools.iso'))).length).toBe(3_000_000)
    expect(await readdir(stored('import', ''))).toEqual(['debian.qcow2', 'disk.qcow2'])
  })

  test('a VM is made of them', async () => {
    expect(await getVmConfig(rootClient(lab), { node: 'pve', vmid: 130 })).toMatchObject({
      ide2: 'local:iso/tools.iso,media=cdrom,size=3000000',
      scsi0: expect.stringMatching(/^tank:vm-130-disk-0,.*size=12G/),
      cicustom: 'vendor=local:snippets/motd.yaml',
      ciuser: 'me',
      searchdomain: 'example.com',
    })
  })

  test('it is stopped and started in place', async () => {
    const address = 'proxmox_virtual_environment_vm.appliance'
    expect(await tofu.plan('started=false')).toEqual({ [address]: 'update' })
    await tofu.apply('started=false')
    await tofu.apply()
  })

  test('another text replaces the snippet, and the VM that took its id from it', async () => {
    expect(await tofu.plan('motd=second')).toEqual({
      'proxmox_virtual_environment_file.snippet': 'delete create',
      'proxmox_virtual_environment_vm.appliance': 'delete create',
    })
    await tofu.apply('motd=second')
    expect(await readFile(stored('snippets', 'motd.yaml'), 'utf8')).toContain('second')
  })

  test('a snippet that was removed behind its back is made again', async () => {
    await rm(stored('snippets', 'motd.yaml'))
    await tofu.apply('motd=second')
    expect(await readFile(stored('snippets', 'motd.yaml'), 'utf8')).toContain('second')
  })

  test('destroying removes the files', async () => {
    await tofu.destroy()
    expect(await readdir(stored('snippets', ''))).toEqual([])
    expect(await readdir(stored('template/iso', ''))).toEqual([])
    expect(await readdir(stored('import', ''))).toEqual([])
  })

  const onlySnippet = [
    '-target=proxmox_virtual_environment_file.snippet',
    '-var=images_url=',
    '-var=image_checksum=',
  ]

  async function snippetBy(other: Tofu, ...more: string[]): Promise<string> {
    try {
      const apply = await other.run(['apply', '-auto-approve', '-no-color', ...onlySnippet, ...more])
      expect(apply, apply.stderr).toMatchObject({ code: 0 })
      const text = await readFile(stored('snippets', 'motd.yaml'), 'utf8')
      await rm(stored('snippets', 'motd.yaml'))
      return text
    } finally {
      await other[Symbol.asyncDispose]()
    }
  }

  test('root of the API is root of the node, by its password', async () => {
    // The lab's key stands aside.
    const env = { ...rootLogin(lab), PROXMOX_VE_SSH_PRIVATE_KEY: '', PROXMOX_VE_SSH_USERNAME: '' }
    expect(await snippetBy(await openTofu(lab, 'opentofu-files', env))).toContain('first')
  })

  test('the snippet arrives from outside of the lab too, by the key and port that the lab tells', async () => {
    const env = {
      ...tokenLogin(lab),
      PROXMOX_VE_SSH_USERNAME: lab.nodeSsh.user,
      PROXMOX_VE_SSH_PRIVATE_KEY: await readFile(lab.nodeSsh.privateKeyFile, 'utf8'),
      TF_VAR_node_ssh_port: String(lab.nodeSsh.port),
    }
    const other = await openTofu(lab, 'opentofu-files', env, 'outside')
    expect(await snippetBy(other, '-var=motd=outside')).toContain('outside')
  })

  test('a link in the snippets folder is no snippet', async () => {
    await symlink('/etc/hostname', stored('snippets', 'link.yaml'))
    const list = await lab.exec([
      ...['curl', '-sf', '--cacert', lab.caFile, '-H', `Authorization: ${lab.tokenEnv['PROXMOX_API_TOKEN']}`],
      `${lab.url}/nodes/pve/storage/local/content?content=snippets`,
    ])
    expect(JSON.parse(list.stdout).data).toEqual([])
  })
})
