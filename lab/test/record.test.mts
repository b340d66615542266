/** `pve-lab record`: a sequence on a Proxmox that somebody uses, which is a lab here. */

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { readSequence } from '../answers/sequence.mts'
import { ROOT_PASSWORD, startLab, type TestLab } from './pve/client.mts'

const COMMAND = join(import.meta.dirname, '../pve-lab.mts')

let folder: string
let lab: TestLab
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pve-record-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
beforeEach(async () => {
  lab = await startLab()
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 101, name: 'somebodys', scsi0: 'tank:1', memory: 512 })
})
afterEach(() => lab.close())

const STEPS = [
  { section: 'changes', as: 'root@pam' },
  {
    'POST /nodes/pve/qemu': { vmid: 101, name: 'a', scsi0: 'disks:1' },
    task: 'OK',
    data: 'UPID:pve:P:S:T:qmcreate:101:root@pam:',
  },
  { 'PUT /nodes/pve/qemu/101/config': { memory: 512, description: 'x' }, data: null },
  { 'GET /nodes/pve/qemu/101/config': null },
  {
    'GET /nodes/pve/qemu/999/config': null,
    error: [500, "Configuration file 'nodes/pve/qemu-server/999.conf' does not exist"],
  },
  { 'POST /nodes/pve/qemu/101/clone': { newid: 102, full: 1 } },
  { 'PUT /nodes/pve/qemu/102/config': { protection: 1 } },
  // What others have: never sent.
  { 'GET /access/users': null },
  { 'POST /access/users': { userid: 'x@pve' } },
  { 'DELETE /nodes/pve/storage/tank/content/tank:vm-101-disk-0': null },
  { 'POST /nodes/pve/qemu/101/clone': { newid: 4711 } },
]

async function sequence(): Promise<string> {
  const file = join(folder, 'steps.jsonl')
  await writeFile(file, STEPS.map(step => `${JSON.stringify(step)}\n`).join(''))
  return file
}

interface Run {
  code: number
  stdout: string
  stderr: string
}

async function record(...args: string[]): Promise<Run> {
  return recordAs({ PROXMOX_PASSWORD: ROOT_PASSWORD }, ...args)
}

async function recordAs(login: Record<string, string>, ...args: string[]): Promise<Run> {
  const env = {
    ...process.env,
    ...{ PROXMOX_URL: lab.server.url, PROXMOX_CA_FILE: lab.server.caFile },
    ...login,
  }
  return promisify(execFile)(process.execPath, [COMMAND, 'record', ...args], { env }).then(
    done => ({ code: 0, ...done }),
    ({ code, stdout, stderr }: Run) => ({ code, stdout, stderr }),
  )
}

test('it changes nothing but VMs that it makes, removes them, and writes the answers without names', async () => {
  const before = await lab.get('/nodes/pve/qemu/101/config')
  const { code, stderr, stdout } = await record(await sequence(), '--storage', 'disks=tank')
  expect(stderr).toContain('6 of 10 steps')
  expect(code).toBe(0)
  const steps = readSequence(stdout)
  expect(steps.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'POST /nodes/pve/qemu',
    'PUT /nodes/pve/qemu/101/config',
    'GET /nodes/pve/qemu/101/config',
    'GET /nodes/pve/qemu/999/config',
    'POST /nodes/pve/qemu/101/clone',
    'PUT /nodes/pve/qemu/102/config',
  ])
  expect(steps[2]!.answer!.body).toMatchObject({
    data: { memory: '512', scsi0: expect.stringMatching(/^disks:vm-101-disk-0,/) },
  })
  expect(stderr).toContain('3 of 3 are as in the sequence')
  expect(stdout).not.toMatch(/tank|990100|pve-lab-record/)
  expect((await lab.get('/nodes/pve/qemu/101/config')).data).toEqual(before.data)
  expect((await lab.get('/nodes/pve/qemu')).data).toHaveLength(1)
  expect((await lab.get('/pools')).data).toEqual([])
})

test('VMIDs that somebody has are left alone', async () => {
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 990100102 })
  const { code, stderr } = await record(await sequence())
  expect(code).toBe(2)
  expect(stderr).toContain('990100102')
  expect((await lab.get('/pools')).data).toEqual([])
})

test('what an interrupted recording left is removed by --clean, and nothing else', async () => {
  await lab.call('POST', '/pools', { poolid: 'pve-lab-record' })
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 990100101, pool: 'pve-lab-record', protection: 1 })
  const again = await record(await sequence())
  expect(again.code).toBe(1)
  expect(again.stderr).toContain('--clean')
  const { code, stderr } = await record('--clean')
  expect(stderr).toContain('Removed: VM 990100101.')
  expect(code).toBe(0)
  expect((await lab.get('/nodes/pve/qemu')).data.map(({ vmid }: { vmid: number }) => vmid)).toEqual([101])
  expect((await record('--clean')).stderr).toContain('No recording left a VM.')
})

test('a login that could not find its VMs again makes none; a token is no name in the answers', async () => {
  const privs =
    'VM.Allocate,VM.Audit,VM.Clone,VM.Config.Options,VM.Config.Memory,VM.Config.Disk,Datastore.AllocateSpace'
  await lab.call('POST', '/access/roles', { roleid: 'R', privs: `${privs},Pool.Allocate` })
  await lab.call('POST', '/access/users', { userid: 'jane@pve' })
  const root = await lab.rootTicket()
  const { data } = await lab.call('POST', '/access/users/jane@pve/token/lab', { privsep: 0 }, root)
  await lab.call('PUT', '/access/acl', { path: '/', roles: 'R', users: 'jane@pve' })
  const login = { PROXMOX_API_TOKEN: `jane@pve!lab=${data.value}` }
  const blind = await recordAs(login, await sequence(), '--storage', 'disks=tank', '--node', 'pve')
  expect([blind.code, blind.stderr]).toEqual([1, expect.stringContaining('Pool.Audit')])
  expect((await lab.get('/pools')).data).toEqual([])
  await lab.call('PUT', '/access/roles/R', { privs: 'Pool.Audit,Datastore.Audit', append: 1 })
  const { stderr, stdout } = await recordAs(
    login,
    await sequence(),
    '--storage',
    'disks=tank',
    '--node',
    'pve',
  )
  expect(stderr).toContain('6 answers recorded')
  expect(stdout).not.toContain('jane')
  expect((await lab.get('/nodes/pve/qemu')).data).toHaveLength(1)
})

test('--dry-run sends nothing', async () => {
  const { code, stderr } = await record(await sequence(), '--dry-run')
  expect([code, stderr]).toEqual([0, expect.stringContaining('6 of 10 steps')])
  expect((await lab.get('/pools')).data).toEqual([])
})

test.each([
  [['--block', '12'], 'a number from 1000'],
  [['--storage', 'tank'], 'NAME=STORAGE'],
  [[], 'record FILE'],
])('wrong words %j are refused', async (args, hint) => {
  const { code, stderr } = await record(...args)
  expect([code, stderr]).toEqual([2, expect.stringContaining(hint)])
})

test('a line that is no step is named', async () => {
  const file = join(folder, 'broken.jsonl')
  await writeFile(file, `${await readFile(await sequence(), 'utf8')}{"FETCH": 1}\n`)
  const { code, stderr } = await record(file)
  expect([code, stderr]).toEqual([2, expect.stringContaining('line 12')])
})
