import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { listVolumes } from '../../scripts/lib/proxmox/list-volumes.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { leftovers } from './leftovers.mts'
import { zxOutside } from './outside.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from './workspace.mts'

let lab: Lab
let root: ProxmoxClient
let workspace: Workspace

beforeAll(async () => {
  lab = await startLab({ guests: 'none', images: ['debian-12'] })
  root = rootClient(lab)
})
afterAll(() => lab.close())
beforeEach(async () => {
  workspace = await createWorkspace(lab)
})
afterEach(async () => {
  expect(await leftovers(root, workspace)).toEqual([])
  expect(await listVolumes(root, { node: 'pve', storage: 'local' }, 'import')).toEqual([])
  await workspace[Symbol.asyncDispose]()
})

const config = 'config/proxmint.yaml'

const base = (env: NodeJS.ProcessEnv = {}): Promise<ExecResult> =>
  zxOutside(workspace, 'base', ['import', 'debian-12'], { env })

const build = (env: NodeJS.ProcessEnv = {}): Promise<ExecResult> =>
  zxOutside(workspace, 'build', ['debian'], { env })

const told = (code: number, ...lines: string[]): ExecResult => ({
  code,
  stdout: '',
  stderr: `${lines.join('\n')}\n`,
})

/** A VM without disks, which is gone after the test. */
async function makeVm(vmid: number, name: string, template: 0 | 1): Promise<void> {
  const finish = (upid: string) => waitForTask(root, upid, { timeoutMs: 10_000 })
  await finish(await root.request('POST', '/nodes/pve/qemu', { vmid, name }))
  if (template === 1) await root.request('POST', `/nodes/pve/qemu/${vmid}/template`)
  onTestFinished(async () => finish(await root.request('DELETE', `/nodes/pve/qemu/${vmid}`)))
}

describe('a place in the template that is not there', () => {
  const source = 'packer/debian/debian.pkr.hcl'

  test('the bridge of the second network card', async () => {
    await makeVm(100, 'proxmint-base-debian-12', 1)
    const second = '  network_adapters {\n    bridge = "vmbr9"\n  }\n\n  # The template'
    await workspace.edit(source, '  # The template', second)
    const { code, stderr } = await build()
    expect(stderr).toContain('error: node pve has no bridge vmbr9\n')
    expect(code).toBe(exitCodes.invalid)
  })

  test('a pool: its name, and those that are there', async () => {
    await makeVm(100, 'proxmint-base-debian-12', 1)
    await root.request('POST', '/pools', { poolid: 'templates' })
    const role = '/access/roles/Proxmint'
    await root.request('PUT', role, { privs: 'Pool.Audit', append: 1 })
    onTestFinished(async () => {
      await root.request('DELETE', '/pools/templates')
    })
    await workspace.edit(source, 'var.resource_pool', '"tempaltes"')
    expect(await build()).toEqual(
      told(
        exitCodes.invalid,
        'error: there is no pool tempaltes; did you mean templates?',
        '  pools: templates',
        'hint: correct `pool` in packer/debian, or make the pool: pvesh create /pools --poolid tempaltes',
      ),
    )
  })

  test('a node of another name', async () => {
    await workspace.edit(source, 'var.proxmox_node', '"pve9"')
    const { code, stderr } = await build()
    expect(stderr).toContain('`node` is not that of the credentials (pve9) [one-proxmox]')
    expect(stderr).toContain('fix: node = var.proxmox_node')
    expect(code).toBe(exitCodes.invalid)
  })

  test('a Packer of another version', async () => {
    await makeVm(100, 'proxmint-base-debian-12', 1)
    await workspace.edit(source, '">= 1.6.6"', '"< 1.6.6"')
    const { code, stderr } = await zxOutside(workspace, 'build', ['debian', '--validate-only'])
    expect(stderr).toContain('why: `required_version` of the template does not allow this Packer')
    expect(stderr).toContain('hint: install a Packer that it allows (`make setup`)')
    expect(code).toBe(exitCodes.invalid)
  })
})

describe('the base VM', () => {
  test('is not there: the command that makes it', async () => {
    expect(await build()).toEqual(
      told(
        exitCodes.invalid,
        'error: the base VM proxmint-base-debian-12 is not there',
        'hint: zx scripts/base.mts import debian-12',
      ),
    )
  })

  test('is an ordinary VM that only has the name', async () => {
    await makeVm(100, 'proxmint-base-debian-12', 0)
    expect(await base()).toEqual(
      told(
        exitCodes.failed,
        'error: VM 100 is named proxmint-base-debian-12 but is no VM template',
        'hint: nothing here wrote it down, so it is left alone: delete or rename it in Proxmox, then run this again',
      ),
    )
    expect((await listVms(root)).map(vm => vm.vmid)).toEqual([100])
  })

  test('is there twice', async () => {
    await makeVm(100, 'proxmint-base-debian-12', 1)
    await makeVm(101, 'proxmint-base-debian-12', 1)
    expect(await build()).toEqual(
      told(
        exitCodes.invalid,
        'error: 2 VMs are named proxmint-base-debian-12',
        '  vmids: 100, 101',
        'hint: keep one, and rename or delete the others: Packer finds its base VM by name',
      ),
    )
  })
})

test('every VMID of the range is taken', async () => {
  await makeVm(100, 'proxmint-base-debian-12', 1)
  await makeVm(200, 'somebody-s', 0)
  await makeVm(201, 'somebody-s', 0)
  await workspace.edit(config, /template_vmid_range: .*/, 'template_vmid_range: [200, 201]')
  expect(await build()).toEqual(
    told(
      exitCodes.invalid,
      'error: every VMID from 200 to 201 is taken',
      'hint: delete VM templates that are not needed any more, or widen the range in config/proxmint.yaml',
    ),
  )
})

describe('a storage', () => {
  test('that does not take disk images and ISO files', async () => {
    await workspace.edit(config, 'images:', 'image_storage: tank\nimages:')
    expect(await base()).toEqual(
      told(
        exitCodes.invalid,
        'error: storage tank does not allow the content import and iso',
        '  type: zfspool',
        '  allows: images,rootdir',
        'hint: a storage of type zfspool cannot hold it: name local in image_storage in config/proxmint.yaml',
      ),
    )
  })

  test('for images that does not exist', async () => {
    await workspace.edit(config, 'images:', 'image_storage: nas\nimages:')
    expect(await base()).toEqual(
      told(
        exitCodes.invalid,
        'error: node pve has no storage nas that proxmint@pve!lab can see',
        '  visible: local, tank',
        'hint: correct image_storage in config/proxmint.yaml, or give the identity Datastore.Audit on /storage/nas',
      ),
    )
  })

  test('for disks that does not exist', async () => {
    expect(await base({ PROXMOX_STORAGE_POOL: 'nas' })).toEqual(
      told(
        exitCodes.invalid,
        'error: node pve has no storage nas that proxmint@pve!lab can see',
        '  visible: local, tank',
        'hint: correct proxmox_storage_pool in the credentials, or give the identity Datastore.Audit on /storage/nas',
      ),
    )
  })

  test('for the VM template of a build that does not exist', async () => {
    await makeVm(100, 'proxmint-base-debian-12', 1)
    expect(await build({ PROXMOX_STORAGE_POOL: 'nas' })).toEqual(
      told(
        exitCodes.invalid,
        'error: node pve has no storage nas that proxmint@pve can see',
        '  visible: local, tank',
        'hint: correct proxmox_storage_pool in the credentials, or give the identity Datastore.Audit on /storage/nas',
      ),
    )
  })
})

describe('a node that does not exist', () => {
  const unknown = told(
    exitCodes.invalid,
    'error: unknown node pve7; did you mean pve?',
    '  known: pve',
    'hint: correct proxmox_node in the credentials',
  )

  test('for a base VM', async () => {
    expect(await base({ PROXMOX_NODE: 'pve7' })).toEqual(unknown)
  })

  test('for a build', async () => {
    await makeVm(100, 'proxmint-base-debian-12', 1)
    expect(await build({ PROXMOX_NODE: 'pve7' })).toEqual(unknown)
  })
})

describe('the image', () => {
  const image = 'debian-12-genericcloud-amd64.qcow2'
  const zeros = '0'.repeat(128)

  /** The publisher's list of checksums, as this text. */
  async function publish(list: string): Promise<string> {
    const server = createServer((_request, response) => void response.end(list))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/SHA512SUMS`
    await workspace.edit(config, /checksums_url: .*/, `checksums_url: ${url}`)
    return url
  }

  const task = 'download of proxmint-debian-12-000000000000.qcow2'

  test('has another checksum than the publisher says', async () => {
    await publish(`${zeros}  ${image}\n`)
    const { code, stderr } = await base()
    expect(code).toBe(exitCodes.failed)
    expect(stderr).toMatch(
      new RegExp(`^error: task ${task} failed: checksum mismatch: got '\\w{128}' != expect '${zeros}'$`, 'm'),
    )
    expect(stderr).toContain('hint: nothing was kept; if the publisher is just replacing the image,')
  })

  test("is not in the publisher's list", async () => {
    const url = await publish(`${zeros}  debian-13-genericcloud-amd64.qcow2\n`)
    expect(await base()).toEqual(
      told(
        exitCodes.failed,
        `error: ${url} names no SHA-256 or SHA-512 checksum of ${image}`,
        'hint: correct `url` and `checksums_url` of the image in config/proxmint.yaml: both of one release',
      ),
    )
  })

  test('has no list that can be read', async () => {
    const url = 'http://127.0.0.1:81/SHA512SUMS'
    await workspace.edit(config, /checksums_url: .*/, `checksums_url: ${url}`)
    expect(await base()).toEqual(
      told(
        exitCodes.failed,
        `error: cannot read the publisher's checksums at ${url}: connect ECONNREFUSED 127.0.0.1:81`,
        'hint: nothing was downloaded; check the address and the network of this machine',
      ),
    )
  })

  test('is in the list but not there', async () => {
    await publish(`${zeros}  other.qcow2\n`)
    await workspace.edit(config, image, 'other.qcow2')
    const { code, stderr } = await base()
    expect(code).toBe(exitCodes.failed)
    expect(stderr).toContain(
      `error: task ${task} failed: download failed: exit code 8\n  log: downloading ${lab.imagesUrl}/other.qcow2 to `,
    )
    expect(stderr).toContain('hint: nothing was kept; the node itself downloads: check `url`')
  })
})
