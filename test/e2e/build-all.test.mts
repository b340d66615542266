/** Several families in one run: one that fails, faults that pass by themselves, and copies on several nodes. */
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ClusterDescription } from '../../lab/cluster/description.mts'
import type { Lab } from '../../lab/create.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { readLockfile } from '../../scripts/lib/templates/lockfile.mts'
import { listReservations } from '../../scripts/lib/templates/reservations.mts'
import { startLabWith } from './golden.mts'
import { howToRun, isModern, packer } from './modern-packer.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from './workspace.mts'

const packerEnv = packer?.env ?? {}

async function addFamily(workspace: Workspace, os: string): Promise<string> {
  const folder = join(workspace.folder, 'packer', os)
  await cp(join(workspace.folder, 'packer/debian'), folder, { recursive: true })
  return folder
}

const versionsIn = (workspace: Workspace) =>
  readLockfile(join(workspace.folder, 'config/templates.lock.json'))

describe.sequential('on one node', () => {
  let lab: Lab
  let workspace: Workspace

  beforeAll(async () => {
    lab = await startLabWith('base')
    workspace = await createWorkspace(lab)
  })
  afterEach(() => lab.faults.set([]))
  afterAll(async () => {
    await workspace[Symbol.asyncDispose]()
    await lab.close()
  })

  const build = (...args: string[]) => workspace.zx('build', [...args, '--no-test'], packerEnv)
  const templates = async () =>
    (await listVms(rootClient(lab)))
      .filter(vm => vm.vmid < 9900)
      .map(vm => vm.name)
      .sort()

  test('a family that fails keeps none of the others from being built', async () => {
    const broken = await addFamily(workspace, 'debian-broken')
    const hcl = join(broken, 'debian.pkr.hcl')
    await writeFile(hcl, (await readFile(hcl, 'utf8')).replace('full_clone = true', 'full_clone = false'))
    await addFamily(workspace, 'debian-b')
    const { code, stdout, stderr } = await build(
      'debian',
      'debian-broken',
      'debian-b',
      'debiam',
      '--parallel',
      '4',
    )
    expect(code).toBe(exitCodes.partial)
    const rows = stdout.trimEnd().split('\n')
    expect(rows.map(row => row.split(/ {2,}/).slice(0, 2).join(' '))).toEqual([
      'family result',
      'debian candidate',
      'debian-broken failed',
      'debian-b candidate',
      'debiam failed',
    ])
    expect(stderr).toContain('debian-broken: error: packer/debian-broken: 1 violation of the template rules')
    expect(stderr).toContain('debiam: error: unknown OS debiam; did you mean debian?')
    expect(Object.keys(await versionsIn(workspace)).sort()).toEqual(['debian', 'debian-b'])
    expect(await templates()).toHaveLength(2)
    expect(await listReservations(workspace.stateDir)).toEqual([])
  })

  test('without a terminal there is a line per change, each with its family', async () => {
    const { stderr } = await build('debian', 'debian-b', '--parallel', '2', '--json')
    for (const os of ['debian', 'debian-b']) {
      expect(stderr).toMatch(new RegExp(`^${os}: packer build ${os}, VM \\d+ \\.\\.\\.$`, 'm'))
      expect(stderr).toMatch(new RegExp(`^${os}: done in [\\d.]+ s$`, 'm'))
    }
    expect(stderr).not.toContain('\x1b')
  })

  test('a lock that was held for too long is waited for', async () => {
    await lab.faults.set([{ fault: 'lock-timeout', seconds: 0, times: 1, match: { task: 'qmclone' } }])
    const { code, stderr } = await build('debian')
    expect(stderr).toMatch(
      /build debian: .*can't lock file .* got timeout.*; again in 2 s \(attempt 2 of 5\)/,
    )
    expect(code).toBe(0)
    expect(await listReservations(workspace.stateDir)).toEqual([])
  })

  test('so is an API that is not available for a moment', async () => {
    const match = { method: 'POST', path: '/nodes/*/qemu/9900/clone' } as const
    await lab.faults.set([{ fault: 'error', status: 503, times: 1, match }])
    const { code, stderr } = await build('debian')
    expect(stderr).toMatch(/503 Service Unavailable.*; again in 2 s/)
    expect(code).toBe(0)
  })

  test('what is denied is not tried again, and leaves nothing', async () => {
    const before = await templates()
    const match = { method: 'POST', path: '/nodes/*/qemu/9900/clone' } as const
    const message = 'Permission check failed (/vms/9900, VM.Clone)'
    await lab.faults.set([{ fault: 'error', status: 403, message, match }])
    const { code, stderr } = await build('debian')
    expect(stderr).toContain('the identity of the build lacks VM.Clone on /vms/9900')
    expect(stderr).not.toContain('again in')
    expect(code).toBe(exitCodes.denied)
    expect(await templates()).toEqual(before)
  })
})

if (!isModern) process.stderr.write(`SKIPPED: templates on several nodes; to run them, ${howToRun}\n`)

const cluster: ClusterDescription = {
  nodes: [{ name: 'pve' }, { name: 'pve2' }],
  storages: [
    { id: 'local', type: 'dir', content: ['iso', 'snippets', 'import'] },
    { id: 'tank', type: 'zfspool', content: ['images', 'rootdir'], size: 100 },
  ],
}

describe.skipIf(!isModern).sequential(`on two nodes (where it is skipped: ${howToRun})`, () => {
  let lab: Lab
  let workspace: Workspace

  beforeAll(async () => {
    lab = await startLab({ cluster })
    workspace = await createWorkspace(lab)
    const family = join(workspace.folder, 'packer/debian/family.yaml')
    const places = 'places:\n  - { node: pve, storage: tank }\n  - { node: pve2, storage: tank }\n'
    await writeFile(family, `${await readFile(family, 'utf8')}\n${places}`)
    expect(await workspace.zx('base', ['import', 'debian'], packerEnv)).toMatchObject({ code: 0 })
  })
  afterAll(async () => {
    await workspace?.[Symbol.asyncDispose]()
    await lab?.close()
  })

  test('a base VM that one of them lacks: which command makes it', async () => {
    const { code, stderr } = await workspace.zx('build', ['debian'], packerEnv)
    expect(stderr).toBe(
      'error: the base VM proxmint-base-debian-12 is not there: it is on pve, not on pve2\n' +
        'hint: PROXMOX_NODE=pve2 PROXMOX_STORAGE_POOL=tank zx scripts/base.mts import debian-12\n',
    )
    expect(code).toBe(exitCodes.invalid)
  })

  test('each has its own copy of the version, tested there', async () => {
    const env = { ...packerEnv, PROXMOX_NODE: 'pve2' }
    expect(await workspace.zx('base', ['import', 'debian'], env)).toMatchObject({ code: 0 })
    const { code, stderr } = await workspace.zx('build', ['debian'], packerEnv)
    expect(stderr).not.toContain('error:')
    expect(code).toBe(0)
    const current = (await versionsIn(workspace))['debian']!.current!
    expect(current.copies.map(({ node, storage }) => [node, storage])).toEqual([
      ['pve', 'tank'],
      ['pve2', 'tank'],
    ])
    expect(current.test!.checks.map(check => check.name)).toContain('boots on pve2')
    for (const copy of current.copies) {
      const config = await getVmConfig(rootClient(lab), copy)
      expect(config).toMatchObject({ template: 1, name: current.name })
      expect(String(config['tags'])).toMatch(/\bcurrent\b/)
    }
  })
})
