/** Base VMs of every shape of image; small made-up disks stand in for the publishers' images. */
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { imageOf } from '../../scripts/lib/build/base/description.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { deleteVolume } from '../../scripts/lib/proxmox/delete-volume.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { listVolumes } from '../../scripts/lib/proxmox/list-volumes.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { uploadIso } from '../../scripts/lib/proxmox/upload-iso.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { leftovers } from './leftovers.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from './workspace.mts'

let lab: Lab
let root: ProxmoxClient
let workspace: Workspace
let publisher: { url: string; folder: string; server: ChildProcess }

beforeAll(async () => {
  lab = await startLab({ guests: 'none', images: [] })
  publisher = await publish()
})
afterAll(async () => {
  publisher.server.kill()
  await rm(publisher.folder, { recursive: true, force: true })
  await lab.close()
})
beforeEach(async () => {
  // A reset ends every login.
  root = rootClient(lab)
  workspace = await createWorkspace(lab)
})
afterEach(async () => {
  expect(await leftovers(root, workspace)).toEqual([])
  await lab.reset()
  await workspace[Symbol.asyncDispose]()
})

/** A publisher's server inside the lab's network, where both the node and proxmint read. */
async function publish(): Promise<typeof publisher> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-images-'))
  const script = [
    'import functools, http.server',
    'class Quiet(http.server.SimpleHTTPRequestHandler):',
    '  def log_message(self, *_): pass',
    `handler = functools.partial(Quiet, directory=${JSON.stringify(folder)})`,
    'server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)',
    'print(server.server_address[1], flush=True)',
    'server.serve_forever()',
  ].join('\n')
  const server = lab.spawn(['python3', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = await new Promise<string>((resolve, reject) => {
    server.on('error', reject)
    server.stdout!.once('data', chunk => resolve(String(chunk).trim()))
  })
  return { url: `http://127.0.0.1:${port}`, folder, server }
}

const digest = (algorithm: string, content: Buffer): string =>
  createHash(algorithm).update(content).digest('hex')

/** The head of a qcow2 of 1 MiB, and something behind it. */
function qcow2(rest: string): Buffer {
  const head = Buffer.alloc(72)
  head.write('QFI\xfb', 'latin1')
  head.writeUInt32BE(2, 4)
  head.writeBigUInt64BE(1024n ** 2n, 24)
  return Buffer.concat([head, Buffer.from(rest)])
}

/** Publishes a disk of this name and answers what it holds. */
async function disk(name: string): Promise<Buffer> {
  const content = qcow2(`a small disk, ${name}`)
  await writeFile(join(publisher.folder, name), content)
  return content
}

async function images(...lines: string[]): Promise<void> {
  const config = join(workspace.folder, 'config/proxmint.yaml')
  const [head] = (await readFile(config, 'utf8')).split('images:')
  await writeFile(config, `${head}images:\n${lines.map(line => `  ${line}\n`).join('')}`)
}

const importing = (image: string, ...options: string[]): Promise<ExecResult> =>
  workspace.zx('base', ['import', image, ...options])

/** The base VM there is, its config and the image its description names. */
async function imported() {
  const vms = await listVms(root)
  expect(vms).toHaveLength(1)
  const [vm] = vms as [(typeof vms)[0]]
  const config = await getVmConfig(root, vm)
  return { vm, config, image: imageOf(String(config['description'])) }
}

const storedImages = async (): Promise<string[]> =>
  (await listVolumes(root, { node: 'pve', storage: 'local' }, 'import')).map(({ volid }) => volid)

describe('lists of checksums as publishers write them', () => {
  test.each<[string, string, string, (content: Buffer) => string]>([
    ['Debian: SHA512SUMS', 'debian.qcow2', 'SHA512SUMS', c => `${digest('sha512', c)}  debian.qcow2\n`],
    [
      'Ubuntu: SHA256SUMS with asterisks, an image called .img',
      'ubuntu.img',
      'SHA256SUMS',
      c => `${'0'.repeat(64)} *ubuntu.img.zsync\n${digest('sha256', c)} *ubuntu.img\n`,
    ],
    [
      'Arch: a list of its own for each file',
      'arch.qcow2',
      'arch.qcow2.SHA256',
      c => `${digest('sha256', c)}  arch.qcow2\n`,
    ],
    ['BSD style', 'bsd.raw', 'SUMS', c => `SHA256 (bsd.raw) = ${digest('sha256', c).toUpperCase()}\n`],
  ])('%s', async (_, name, list, text) => {
    const content = await disk(name)
    await writeFile(join(publisher.folder, list), text(content))
    await images(
      'x:',
      `  url: ${publisher.url}/${name}`,
      `  checksums_url: ${publisher.url}/${list}`,
      '  first_boot: none',
    )
    const done = await importing('x')
    expect(done).toMatchObject({ code: exitCodes.done })
    const { vm, config, image } = await imported()
    expect(vm).toMatchObject({ name: 'proxmint-base-x', template: 1 })
    expect(config).toMatchObject({ agent: 'enabled=1', ide2: expect.stringContaining('cloudinit') })
    const algorithm = list === 'SHA512SUMS' ? 'sha512' : 'sha256'
    expect(image).toEqual({
      name: 'x',
      url: `${publisher.url}/${name}`,
      checksum: `${algorithm}:${digest(algorithm, content)}`,
    })
  })
})

describe('a checksum in the config', () => {
  test('that the image has', async () => {
    const content = await disk('talos.qcow2')
    const checksum = `sha256:${digest('sha256', content)}`
    await images(
      'talos:',
      `  url: ${publisher.url}/talos.qcow2`,
      `  checksum: ${checksum}`,
      '  first_boot: none',
    )
    expect(await importing('talos')).toMatchObject({ code: exitCodes.done })
    expect((await imported()).image).toMatchObject({ checksum })
    expect(await listVolumes(root, { node: 'pve', storage: 'local' }, 'iso')).toEqual([])
  })

  test('that it has not: nothing is imported', async () => {
    await disk('talos.qcow2')
    const url = `${publisher.url}/talos.qcow2`
    await images('talos:', `  url: ${url}`, `  checksum: sha256:${'0'.repeat(64)}`, '  first_boot: none')
    const { code, stderr } = await importing('talos')
    expect(code).toBe(exitCodes.failed)
    expect(stderr).toContain('checksum mismatch')
    expect(stderr).toContain('hint: nothing was kept')
    expect(await listVms(root)).toEqual([])
    expect(await storedImages()).toEqual([])
  })

  test('that is missing', async () => {
    const url = `${publisher.url}/talos.qcow2`
    await images('talos:', `  url: ${url}`)
    const { code, stderr } = await importing('talos')
    expect(code).toBe(exitCodes.invalid)
    expect(stderr).toContain('error: image talos has no checksum in config/proxmint.yaml\n')
    expect(stderr).toContain(`curl -fsSL ${url} | sha256sum`)
  })
})

test('a base VM by UEFI, without a boot: its machine, its EFI disk and its TPM; no other is taken for it', async () => {
  const content = await disk('u.qcow2')
  const image = (...keys: string[]) =>
    images(
      'u:',
      `  url: ${publisher.url}/u.qcow2`,
      `  checksum: sha256:${digest('sha256', content)}`,
      '  first_boot: none',
      ...keys,
    )
  await image('  firmware: uefi', '  tpm: true')
  const plan = await importing('u', '--dry-run')
  expect(plan.stdout).toContain('its disk on tank; firmware: UEFI with TPM 2.0\n')
  expect(await importing('u')).toMatchObject({ code: exitCodes.done })
  expect((await imported()).config).toMatchObject({
    machine: 'q35',
    bios: 'ovmf',
    efidisk0: expect.stringMatching(/^tank:.*,efitype=4m,pre-enrolled-keys=0,size=/),
    tpmstate0: expect.stringMatching(/^tank:.*,version=v2.0$/),
  })
  expect((await importing('u')).stdout).toContain('already there')
  await image()
  expect((await importing('u')).stdout).toContain('already there')
  await image('  firmware: uefi', '  secure_boot: true')
  const { code, stderr } = await importing('u')
  expect(stderr).toMatch(/^error: proxmint-base-u, VM 9900, has no secure boot$/m)
  expect(code).toBe(exitCodes.invalid)
})

describe('a file of this machine', () => {
  const file = async (content: Buffer): Promise<void> => {
    await mkdir(join(workspace.folder, 'made'))
    await writeFile(join(workspace.folder, 'made/nixos.qcow2'), content)
  }

  test('is uploaded and verified; its checksum is its own', async () => {
    // More than one piece of a stream.
    const content = qcow2('a disk made here '.repeat(20_000))
    await file(content)
    await images('nixos:', '  file: made/nixos.qcow2', '  first_boot: none')
    expect(await importing('nixos')).toMatchObject({ code: exitCodes.done })
    expect((await imported()).image).toEqual({
      name: 'nixos',
      url: `file:${workspace.folder}/made/nixos.qcow2`,
      checksum: `sha256:${digest('sha256', content)}`,
    })
    const [volume] = await listVolumes(root, { node: 'pve', storage: 'local' }, 'import')
    expect(volume).toMatchObject({ size: content.length })
  })

  test('that is another than it should be: nothing is imported', async () => {
    await file(qcow2('tampered with'))
    await images(
      'nixos:',
      '  file: made/nixos.qcow2',
      `  checksum: sha256:${'0'.repeat(64)}`,
      '  first_boot: none',
    )
    const { code, stderr } = await importing('nixos')
    expect(code).toBe(exitCodes.failed)
    expect(stderr).toContain('checksum mismatch')
    expect([await listVms(root), await storedImages()]).toEqual([[], []])
  })

  test('that is not there', async () => {
    await images('nixos:', '  file: made/nixos.qcow2')
    expect(await importing('nixos')).toEqual({
      code: exitCodes.invalid,
      stdout: '',
      stderr: [
        `error: image nixos: cannot read ${workspace.folder}/made/nixos.qcow2: ENOENT`,
        'hint: make it, or correct `file` in config/proxmint.yaml; the README of the template family says where it comes from',
        '',
      ].join('\n'),
    })
  })
})

test.each([
  ['https://images.example.net/talos.raw.xz', 'image x: talos.raw.xz is compressed'],
  ['https://images.example.net/disk.vhdx', 'image x: /disk.vhdx is no qcow2, raw or vmdk'],
])('%s cannot be imported', async (url, message) => {
  await images('x:', `  url: ${url}`, `  checksum: sha256:${'0'.repeat(64)}`)
  const { code, stderr } = await importing('x')
  expect(code).toBe(exitCodes.invalid)
  expect(stderr).toContain(`error: ${message}\n`)
})

test('the plan of an image that is not booted', async () => {
  const content = await disk('talos.qcow2')
  const url = `${publisher.url}/talos.qcow2`
  const sum = digest('sha256', content)
  await images('talos:', `  url: ${url}`, `  checksum: sha256:${sum}`, '  first_boot: none')
  expect(await importing('talos', '--dry-run')).toEqual({
    code: exitCodes.done,
    stdout: [
      'would:',
      `  download ${url} to local:import/proxmint-talos-${sum.slice(0, 12)}.qcow2, sha256 ${sum}`,
      '  create proxmint-base-talos on pve with the first free VMID of 9900-9999, its disk on tank',
      '  convert it to a VM template, without a boot',
      '',
    ].join('\n'),
    stderr: '',
  })
})

describe('a place that cannot take it', () => {
  const good = async (): Promise<void> => {
    const content = await disk('x.qcow2')
    const checksum = `sha256:${digest('sha256', content)}`
    await images('x:', `  url: ${publisher.url}/x.qcow2`, `  checksum: ${checksum}`, '  first_boot: none')
  }

  test('every VMID of the range is taken', async () => {
    await good()
    const upid: string = await root.request('POST', '/nodes/pve/qemu', { vmid: 300, name: 'somebody-s' })
    await waitForTask(root, upid, { timeoutMs: 10_000 })
    await workspace.edit('config/proxmint.yaml', 'images:', 'base_vmid_range: [300, 300]\nimages:')
    const { code, stderr } = await importing('x')
    expect(code).toBe(exitCodes.invalid)
    expect(stderr).toContain('error: every VMID from 300 to 300 is taken\n')
  })

  test.each([
    ['for images', 'local'],
    ['for disks', 'tank'],
  ])('no space on the storage %s: nothing is left', async (_, storage) => {
    await good()
    await lab.faults.set([{ fault: 'disk-full', match: { storage } }])
    const { code, stderr } = await importing('x').finally(() => lab.faults.set([]))
    expect(code).toBe(exitCodes.failed)
    expect(stderr).toMatch(/error: task .* failed: .*(?:space|full)/)
    expect(stderr).toContain(`hint: make room on the storage ${storage}`)
    expect(await listVms(root)).toEqual([])
  })

  test('the ISO of another checkout that imports the same stays as it is', async () => {
    await good()
    await workspace.edit('config/proxmint.yaml', '\n    first_boot: none', '')
    const storage = { node: 'pve', storage: 'local' }
    const upid = await uploadIso(root, storage, 'proxmint-base-x.iso', new Uint8Array(2048))
    await waitForTask(root, upid, { timeoutMs: 10_000 })
    await lab.faults.set([{ fault: 'disk-full', match: { storage: 'tank' } }])
    const { code, stderr } = await importing('x').finally(() => lab.faults.set([]))
    expect({ code, stderr }).toMatchObject({
      code: exitCodes.failed,
      stderr: expect.stringContaining('create'),
    })
    const theirs = await listVolumes(root, storage, 'iso')
    expect(theirs).toMatchObject([{ volid: 'local:iso/proxmint-base-x.iso', size: 2048 }])
    await deleteVolume(root, storage, theirs[0]!.volid)
  })

  test('a bridge that does not exist', async () => {
    await good()
    await workspace.edit('config/proxmint.yaml', 'images:', 'bridge: vmbr9\nimages:')
    expect(await importing('x')).toEqual({
      code: exitCodes.invalid,
      stdout: '',
      stderr: [
        'error: node pve has no bridge vmbr9',
        '  bridges: vmbr0',
        'hint: correct `bridge` in config/proxmint.yaml, or what sets it instead (`--var bridge=...`)',
        '',
      ].join('\n'),
    })
  })
})
