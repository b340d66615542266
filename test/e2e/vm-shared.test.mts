/** One registry in PostgreSQL and states in a backend, for two machines that share nothing else. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getVmStatus } from '../../scripts/lib/proxmox/get-vm-status.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { type Database, startPostgres } from '../unit/registry/postgres.mts'
import { startLabWith } from './golden.mts'
import { copyVmFolders, homeIn } from './vm-workspace.mts'
import { createWorkspace, rootClient, type Workspace } from './workspace.mts'

let lab: Lab
let database: Database
let url: string
let laptop: Workspace
let runner: Workspace

beforeAll(async () => {
  ;[lab, database] = await Promise.all([startLabWith('base'), startPostgres()])
  url = await database.url('proxmint')
  laptop = await createMachine()
  runner = await createMachine()
})
afterAll(async () => {
  await Promise.all([laptop?.[Symbol.asyncDispose](), runner?.[Symbol.asyncDispose]()])
  await database?.stop()
  await lab?.close()
})

/** In words: of a URL, OpenTofu takes no socket. */
function backend(): string {
  const connection = `host=${new URL(url).searchParams.get('host')} user=proxmint dbname=proxmint sslmode=disable`
  return `backend:\n  pg:\n    conn_str: ${connection}\n    schema_name: vm_{name}\n`
}

async function createMachine(): Promise<Workspace> {
  const workspace = await createWorkspace(lab)
  await copyVmFolders(workspace)
  await writeFile(join(workspace.folder, 'config/registry.yaml'), `url: ${url}\n`)
  await writeFile(join(workspace.folder, 'config/terraform.yaml'), backend())
  return workspace
}

const run = (machine: Workspace, name: string, args: string[], env: NodeJS.ProcessEnv = {}) =>
  machine.zx(name, args, { ...homeIn(machine), ...env })
async function json(machine: Workspace, name: string, ...args: string[]) {
  const { code, stdout, stderr } = await run(machine, name, [...args, '--json'])
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout)
}
const vmids = async () => (await listVms(rootClient(lab))).map(({ vmid }) => vmid).filter(vmid => vmid < 9000)

const create = ['create', 'web-1', '--template-vmid', '9900', '--vmid', '100', '--apply']

test('states in files are refused', async () => {
  const file = join(laptop.folder, 'config/terraform.yaml')
  await rm(file)
  for (const [name, args] of [
    ['vm', create],
    ['apply', []],
    ['gc', []],
    ['reconcile', []],
  ] as const) {
    const refused = await run(laptop, name, [...args])
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('on this machine alone') })
  }
  await writeFile(file, backend())
  expect(await json(laptop, 'vm', 'list')).toEqual([])
  expect(await vmids()).toEqual([])
})

test('what one machine was killed at, another one finishes', async () => {
  const killed = await run(laptop, 'vm', create, { PROXMINT_TEST_KILL_AT: 'vm-create-applied' })
  expect(killed).toMatchObject({ stdout: '' })
  expect(await json(runner, 'vm', 'list')).toMatchObject([{ name: 'web-1', phase: 'reserved', vmid: 100 }])
  expect(await vmids()).toEqual([100])
  const [{ upid }] = await rootClient(lab).request<[{ upid: string }]>('GET', '/nodes/pve/tasks', {
    ...{ typefilter: 'qmclone', limit: 1 },
  })

  expect(await json(runner, 'apply', 'web-1')).toMatchObject([{ did: 'made', entry: { phase: 'active' } }])
  expect(await vmids()).toEqual([100])
  const { status } = await getVmStatus(rootClient(lab), { node: 'pve', vmid: 100 })
  expect(status).toBe('running')
  const clones = await rootClient(lab).request('GET', '/nodes/pve/tasks', {
    ...{ typefilter: 'qmclone', limit: 1 },
  })
  expect(clones, 'the VM is the one the other machine had made').toMatchObject([{ upid }])
})

test('each sees what the other did', async () => {
  expect(await json(laptop, 'apply')).toMatchObject([{ name: 'web-1', did: 'nothing' }])
  expect(await json(laptop, 'reconcile')).toEqual([])
  expect(await json(laptop, 'vm', 'destroy', 'web-1', '--yes')).toMatchObject({ phase: 'destroyed' })
  expect(await json(runner, 'vm', 'list')).toEqual([])
  expect(await vmids()).toEqual([])

  // The runner has its folder still; nobody else can remove it.
  const orphan = { name: 'web-1', fix: 'remove the folder' }
  const { code, stdout } = await run(runner, 'reconcile', ['--json'])
  expect({ code, findings: JSON.parse(stdout) }).toMatchObject({
    code: 1,
    findings: [{ ...orphan, fixed: false }],
  })
  expect(await json(runner, 'reconcile', '--fix')).toMatchObject([{ ...orphan, fixed: true }])
  for (const machine of [laptop, runner]) expect(await json(machine, 'reconcile')).toEqual([])
})
