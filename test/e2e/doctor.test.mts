/** `doctor` on a lab where all is well, and on one where several things are broken at once. */
import { cp, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import type { Diagnosis } from '../../scripts/lib/doctor/diagnosis.mts'
import { formatLockfile } from '../../scripts/lib/templates/lockfile-format.mts'
import { noVersions } from '../../scripts/lib/templates/version.mts'
import { version } from '../unit/templates/sample.mts'
import { sopsEnvironment } from './sops-credentials.mts'
import { createWorkspace, repository, rootClient, startLab, type Workspace } from './workspace.mts'

let lab: Lab
let workspace: Workspace

beforeAll(async () => {
  lab = await startLab({ guests: 'none', images: [], chain: true })
  workspace = await createWorkspace(lab)
  await cp(join(repository, 'cloud-init'), join(workspace.folder, 'cloud-init'), { recursive: true })
})
afterAll(async () => {
  await workspace[Symbol.asyncDispose]()
  await lab.close()
})

interface Examined {
  code: number | null
  findings: Diagnosis[]
  faults: Diagnosis[]
}

/** With a home of its own: the host keys of earlier labs are in ours. */
async function doctor(env: NodeJS.ProcessEnv = {}): Promise<Examined> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const home = { HOME: workspace.folder, XDG_CACHE_HOME: cache }
  const { code, stdout, stderr } = await workspace.zx('doctor', ['--json'], { ...home, ...env })
  expect(stderr).toBe('')
  const { findings } = JSON.parse(stdout) as { findings: Diagnosis[] }
  return { code, findings, faults: findings.filter(({ level }) => level === 'fault') }
}

/** Every file of the workspace, with when it was written. */
async function filesBelow(folder: string): Promise<string[]> {
  const names = (await readdir(folder, { recursive: true })).sort()
  return Promise.all(names.map(async name => `${name} ${(await stat(join(folder, name))).mtimeMs}`))
}

/** On loopback the address that Proxmox tells for the node's SSH is not the lab's. */
const hasNodeSsh = (): boolean => lab.isolation.kind !== 'loopback'
const besidesSsh = (faults: Diagnosis[]): Diagnosis[] =>
  hasNodeSsh() ? faults : faults.filter(({ area }) => area !== 'node SSH')

test('all is well, and nothing is changed', async () => {
  const before = await filesBelow(workspace.folder)
  const start = performance.now()
  const { findings, faults, code } = await doctor()
  console.log(`doctor: ${((performance.now() - start) / 1000).toFixed(2)} s`)
  expect(besidesSsh(faults)).toEqual([])
  if (hasNodeSsh()) {
    expect(code).toBe(0)
    expect(findings).toContainEqual({ area: 'node SSH', level: 'ok', what: 'root@192.168.122.1' })
  }
  expect(findings.filter(({ level }) => level === 'unknown')).toEqual([])
  expect(findings.filter(({ area }) => area === 'chain').map(({ what }) => what)).toEqual([
    expect.stringMatching(/^contract 0x\w{40}, v0\.4, on chain 31337$/),
    expect.stringMatching(/^the signer 0x\w{40} owns the contract and can pay$/),
  ])
  expect(await filesBelow(workspace.folder)).toEqual(before)
})

test('without credentials that is the one fault, and the exit code says so', async () => {
  const { code, findings, faults } = await doctor(sopsEnvironment(workspace))
  expect(faults.map(({ area }) => area)).toEqual(['credentials'])
  expect(faults[0]!.fix).toContain('zx scripts/credentials.mts init')
  expect(code).toBe(4)
  expect(findings.filter(({ area }) => area === 'permissions')).toEqual([
    { area: 'permissions', level: 'unknown', what: expect.stringContaining('not looked at') },
  ])
})

test('many things are wrong: each is told, with its fix', async () => {
  const root = rootClient(lab)
  const privileges = Object.keys(await root.request<object>('GET', '/access/roles/Proxmint'))
  const privs = privileges.filter(name => name !== 'VM.Clone').join(',')
  await root.request('PUT', '/access/roles/Proxmint', { privs })
  await lab.faults.set([{ fault: 'clock-skew', match: {}, seconds: -3600 }])
  await workspace.edit('config/proxmint.yaml', 'images:', 'bridge: vmbr7\nimage_storage: tank\nimages:')
  await workspace.edit('packer/arch/arch.pkr.hcl', 'source "proxmox-clone"', 'source {{')
  const families = { debian: { ...noVersions, current: version(1) } }
  await writeFile(join(workspace.folder, 'config/templates.lock.json'), formatLockfile(families))
  await mkdir(join(workspace.stateDir, 'registry'), { recursive: true })
  await writeFile(join(workspace.stateDir, 'registry/snapshot-3.json'), 'nothing')
  const { code, faults } = await doctor({
    PROXMINT_RPC_URL: 'http://127.0.0.1:1',
    PROXMOX_VE_SSH_PRIVATE_KEY: 'no key',
  })
  expect(code).toBe(1)
  expect([...new Set(faults.map(({ area }) => area))]).toEqual([
    'clock',
    'permissions',
    'storages',
    'bridges',
    'families',
    'templates',
    'node SSH',
    'chain',
    'registry',
  ])
  expect(faults.filter(({ fix }) => fix === undefined)).toEqual([])
  const fixes = faults.map(({ fix }) => fix).join('\n')
  expect(fixes).toContain("pveum role modify Proxmint -append 1 -privs 'VM.Clone'")
  expect(fixes).toContain('a storage of type zfspool cannot hold it: name local in')
  expect(fixes).toContain('timedatectl set-ntp true')
  expect(fixes).toContain('without a passphrase')
})
