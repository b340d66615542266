/** Versions and channels of templates, on a lab: what is kept, what goes, and what is refused. */
import { execFile } from 'node:child_process'
import { appendFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import type { Entry } from '../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../scripts/lib/registry/file/file-store.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { startLabWith } from './golden.mts'
import { createWorkspace, rootClient, type Workspace } from './workspace.mts'

let lab: Lab
let root: ProxmoxClient
let workspace: Workspace

/** Names of the versions, in the order they were built; each a little different. */
const names: string[] = []
const vmids: number[] = []

beforeAll(async () => {
  lab = await startLabWith('base')
  root = rootClient(lab)
  workspace = await createWorkspace(lab)
  await mkdir(join(workspace.folder, 'terraform'))
})
afterAll(async () => {
  await workspace[Symbol.asyncDispose]()
  await lab.close()
})

const templates = (...args: string[]) => workspace.zx('templates', args)

interface Listed {
  name: string
  mark: string
}

/** Which version is in which channel: the index of each in the order they were built. */
async function channels(): Promise<Record<string, number>> {
  const listed = JSON.parse((await templates('list', '--json')).stdout) as Listed[]
  return Object.fromEntries(listed.map(({ mark, name }) => [mark, names.indexOf(name)]))
}

async function build(...args: string[]): Promise<void> {
  const memory = `memory=${1024 + names.length}`
  const { stdout, stderr } = await workspace.zx('build', ['debian', '--var', memory, '--json', ...args])
  expect(stderr).not.toContain('error:')
  const result = JSON.parse(stdout) as { name: string; template: { vmid: number } }
  names.push(result.name)
  vmids.push(result.template.vmid)
}

async function tagsOf(index: number): Promise<string> {
  return String((await getVmConfig(root, { node: 'pve', vmid: vmids[index]! }))['tags'])
}

/** A VM from the version that was built as number `index`, gone after the test. */
async function clone(index: number, newid: number, full: 0 | 1): Promise<void> {
  const path = '/nodes/pve/qemu'
  const finish = (upid: string) => waitForTask(root, upid, { timeoutMs: 60_000 })
  await finish(
    await root.request('POST', `${path}/${vmids[index]}/clone`, { newid, full, name: `web-${newid}` }),
  )
  onTestFinished(async () => finish(await root.request('DELETE', `${path}/${newid}`)))
}

const promisedVm = (template: Entry['template']): Entry => ({
  name: 'web-1',
  id: 'a1b2c3d4',
  phase: 'reserved',
  vmid: 7010,
  pool: 'lab',
  address: '192.168.122.201',
  node: 'pve',
  owner: null,
  expiresAt: '2027-01-01T00:00:00.000Z',
  template,
  token: null,
  design: null,
  purpose: 'web',
  failure: null,
  createdAt: '2026-11-22T10:00:00.000Z',
  history: [],
})

const prune = (...args: string[]) => templates('prune', '--keep', '1', '--min-age', '0s', ...args)

describe.sequential('versions of debian', () => {
  test('the first is current when it passed its test; its tags and Terraform say so', async () => {
    await build()
    expect(await channels()).toEqual({ current: 0 })
    expect(await tagsOf(0)).toMatch(/\bcurrent;(\w{8};)?debian;(\w{8};)?proxmint-test$/)
    const written = await readFile(join(workspace.folder, 'terraform/templates.auto.tfvars.json'), 'utf8')
    expect(JSON.parse(written)).toEqual({
      templates: { debian: { version: names[0], nodes: { pve: { vmid: vmids[0], storage: 'tank' } } } },
    })
    expect((await templates('list', '--terraform')).stdout).toBe(written)
  })

  test('--if-changed builds nothing from the same unless it is too old, and says what changed otherwise', async () => {
    const same = await workspace.zx('build', ['debian', '--var', 'memory=1024', '--if-changed', '--json'])
    expect(JSON.parse(same.stdout)).toMatchObject({ reason: `${names[0]} is built from the same` })
    expect(JSON.parse(same.stdout)).not.toHaveProperty('template')
    const old = ['debian', '--var', 'memory=1024', '--if-changed', '--max-age', '0s', '--dry-run', '--json']
    expect(JSON.parse((await workspace.zx('build', old)).stdout)).toMatchObject({
      reason: expect.stringMatching(/^debian-\S+ was built on \d{4}-\d\d-\d\d, longer ago than allowed$/),
    })
    await appendFile(join(workspace.folder, 'packer/common/clean-up.sh'), '# a change\n')
    const changed = await workspace.zx('build', ['debian', '--if-changed', '--dry-run', '--json'])
    expect(JSON.parse(changed.stdout)).toMatchObject({
      reason: 'file ../common/clean-up.sh changed, variable memory is gone',
    })
  })

  test('--no-promote leaves the current one alone; promote makes the candidate current', async () => {
    await build('--no-promote')
    expect(await channels()).toEqual({ current: 0, candidate: 1 })
    expect(await tagsOf(1)).toMatch(/\bcandidate;/)
    expect((await templates('promote', 'debian')).stdout).toBe(
      `debian: current ${names[1]}, previous ${names[0]}\n`,
    )
    expect(await channels()).toEqual({ current: 1, previous: 0 })
    expect(await tagsOf(1)).toMatch(/\bcurrent;/)
    expect(await tagsOf(0)).toMatch(/\bprevious;/)
    expect(await templates('promote', 'debian')).toMatchObject({ code: exitCodes.failed })
  })

  test('one that was not tested is promoted after its test', async () => {
    await build('--no-test')
    expect(await channels()).toEqual({ current: 1, previous: 0, candidate: 2 })
    const refused = await templates('promote', 'debian')
    expect(refused.stderr).toContain(`error: ${names[2]} was never tested`)
    expect((await templates('test', 'debian')).stdout).toMatch(
      new RegExp(`\nrecorded in \\S*config/templates.lock.json: ${names[2]} passed its acceptance test\n$`),
    )
    expect(await templates('promote', 'debian')).toMatchObject({ code: 0 })
    expect(await channels()).toEqual({ current: 2, previous: 1, retired: 0 })
  })

  test('rollback returns to the one before; not to a revoked one', async () => {
    expect(await templates('rollback', 'debian')).toMatchObject({ code: 0 })
    expect(await channels()).toEqual({ current: 1, previous: 2, retired: 0 })
    expect(await templates('revoke', names[2]!, '--reason', 'CVE-2026-1')).toMatchObject({ code: 0 })
    expect(await tagsOf(2)).toMatch(/;revoked\b/)
    const refused = await templates('rollback', 'debian')
    expect(refused.stderr).toContain(`error: ${names[2]} is revoked\n  reason: CVE-2026-1`)
    expect(await channels()).toEqual({ current: 1, revoked: 2, retired: 0 })
  })

  test('diff tells inputs and packages', async () => {
    const { stdout } = await templates('diff', 'debian', names[0]!, 'current')
    expect(stdout).toContain('variable memory changed')
    expect(stdout).toContain('the same packages')
  })

  test.each<[string, 0 | 1, RegExp]>([
    ['a linked clone', 0, /^kept \S+: used by VM 7001 \(web-7001\), a linked clone/m],
    ['a full clone', 1, /^kept \S+: used by VM 7001 \(web-7001\), made from it/m],
  ])('prune keeps what %s was made from', async (_, full, told) => {
    await clone(0, 7001, full)
    const { code, stdout } = await prune()
    expect(stdout).toMatch(told)
    expect(code).toBe(0)
    expect(await channels()).toMatchObject({ retired: 0 })
  })

  test('prune keeps what a VM of the registry was promised', async () => {
    const folder = join(workspace.stateDir, 'registry')
    onTestFinished(async () => {
      await rm(folder, { recursive: true })
      await rm(`${folder}.last`)
    })
    const store = await openFileStore({ folder, purpose: 'a test' })
    await store.add([promisedVm({ family: 'debian', version: names[0]! })], [])
    await store.close()
    expect((await prune()).stdout).toContain(`kept ${names[0]}: used by web-1 (reserved) of the registry`)
    expect(await channels()).toMatchObject({ retired: 0 })
  })

  test('prune keeps what another branch still makes VMs from', async () => {
    const git = (...args: string[]) => promisify(execFile)('git', ['-C', workspace.folder, ...args])
    const lockfile = join(workspace.folder, 'config/templates.lock.json')
    const now = await readFile(lockfile, 'utf8')
    const then = JSON.parse(now)
    then.families.debian.current = names[0]
    await git('init', '-q', '-b', 'main')
    await git('config', 'user.email', 'test@example.net')
    await git('config', 'user.name', 'test')
    await git('add', '-f', 'config/templates.lock.json')
    await git('commit', '-q', '-m', 'now')
    await git('switch', '-q', '-c', 'release/1')
    await writeFile(lockfile, JSON.stringify(then))
    await git('commit', '-q', '-a', '-m', 'then')
    await git('switch', '-q', 'main')
    const { stdout } = await prune()
    expect(stdout).toContain(`kept ${names[0]}: used by the branch release/1 (current)`)
    expect(await readFile(lockfile, 'utf8')).toBe(now)

    await git('switch', '-q', 'release/1')
    await writeFile(lockfile, '{"version":2}')
    await git('commit', '-q', '-a', '-m', 'newer')
    await git('switch', '-q', 'main')
    const unknown = await prune()
    expect(unknown.stderr).toContain('config/templates.lock.json of the branch release/1 is invalid')
    expect(unknown.code).toBe(exitCodes.invalid)
    await git('branch', '-q', '-D', 'release/1')
  })

  test("prune leaves alone what is somebody else's by now", async () => {
    const path = `/nodes/pve/qemu/${vmids[0]}/config`
    const { description } = await getVmConfig(root, { node: 'pve', vmid: vmids[0]! })
    await root.request('PUT', path, { description: 'mine' })
    const { stdout } = await prune('--dry-run')
    expect(stdout).toMatch(
      new RegExp(
        `^VM ${vmids[0]} is not ${names[0]}: its description lacks the build id .*; left alone$`,
        'm',
      ),
    )
    await root.request('PUT', path, { description: String(description) })
  })

  test('prune keeps and tells what has our build id and looks otherwise', async () => {
    const path = `/nodes/pve/qemu/${vmids[0]}/config`
    // As when `site` in config/proxmint.yaml was another.
    await root.request('PUT', path, { tags: (await tagsOf(0)).replace('proxmint-test', 'proxmint-home') })
    const { stdout } = await prune()
    const fault = `VM ${vmids[0]} has its build id, but lacks the tags proxmint-test and debian; left alone`
    expect(stdout).toContain(`kept ${names[0]}: ${fault}\n`)
    expect(await channels()).toMatchObject({ retired: 0 })
    // The run ends with tags as they should be.
    expect(await tagsOf(0)).toMatch(/\bdebian;(\w{8};)?proxmint-home;proxmint-test\b/)
  })

  test('prune plans, then removes what nobody needs', async () => {
    const plan = await prune('--dry-run')
    expect(plan.stdout).toContain(`would remove ${names[0]} (VM ${vmids[0]})`)
    expect((await listVms(root)).map(vm => vm.vmid)).toContain(vmids[0])
    const done = await prune()
    expect(done.stdout).toContain(`removed ${names[0]} (VM ${vmids[0]})`)
    expect(done.stdout).toContain(`kept ${names[1]}: it is the current version`)
    expect((await listVms(root)).map(vm => vm.vmid)).not.toContain(vmids[0])
    expect(await channels()).toEqual({ current: 1, revoked: 2 })
  })

  test('a template of somebody else under the name of the next is left alone', async () => {
    const [, rest] = names[1]!.split(/(?<=debian)-/)
    await root.request('POST', '/nodes/pve/qemu', { vmid: 7005, name: `debian-${rest}-2` })
    onTestFinished(async () => void (await root.request('DELETE', '/nodes/pve/qemu/7005')))
    const plan = await workspace.zx('build', ['debian', '--var', 'memory=1025', '--dry-run', '--json'])
    expect(JSON.parse(plan.stdout)).toMatchObject({ name: `debian-${rest}-3` })
    expect(await getVmConfig(root, { node: 'pve', vmid: 7005 })).toMatchObject({ name: `debian-${rest}-2` })
  })
})

describe('bad input', () => {
  test.each<[string[], number, string]>([
    [['promote', 'debain'], 2, 'error: there is no version of debain; did you mean debian?'],
    [['rollback', 'ubuntu'], 2, 'error: there is no version of ubuntu'],
    [['revoke', 'debian-1', '--reason', 'x'], 2, 'error: unknown version debian-1'],
    [['revoke', 'debian-1'], 2, 'error: revoke needs --reason'],
    [['diff', 'debian', 'curent'], 2, 'error: debian has no version curent'],
    [['prune', 'arch'], 2, 'error: there is no version of arch'],
    [['prune', '--min-age', 'week'], 2, 'error: option `--min-age` takes a duration'],
    [['prune', '--keep', '0'], 2, 'error: option `--keep` takes a whole number from 1'],
    [['delete'], 2, 'error: say one of list, test, promote, '],
  ])('templates %s', async (args, code, message) => {
    const result = await templates(...args)
    expect(result.stderr).toContain(message)
    expect(result.code).toBe(code)
  })

  test.each<[string[], string]>([
    [[], 'error: name an OS'],
    [['debian', '--all'], 'error: --all and names exclude each other'],
    [['debian', '--max-age', '30d'], 'error: --max-age needs --if-changed'],
    [['debian', '--if-changed', '--max-age', '30'], 'error: option `--max-age` takes a duration'],
    [['debian', '--parallel', '0'], 'error: option `--parallel` takes a whole number from 1'],
    [['debain'], 'error: unknown OS debain; did you mean debian?'],
  ])('build %s', async (args, message) => {
    const result = await workspace.zx('build', args)
    expect(result.stderr).toContain(message)
    expect(result.code).toBe(exitCodes.usage)
  })

  test('a VMID that is pinned and taken', async () => {
    await using own = await createWorkspace(lab)
    const variables = join(own.folder, 'packer/debian/variables.pkr.hcl')
    const text = await readFile(variables, 'utf8')
    const pinned = /(variable "template_vmid" \{\n\s+type\s+= )number((?:.*\n)*?\s+default\s+= )0/
    await writeFile(variables, text.replace(pinned, '$1string$2env("TEMPLATE_VMID")'))
    const env = { TEMPLATE_VMID: '9900' }
    const taken = await own.zx('build', ['debian', '--no-test'], env)
    expect(taken.stderr).toContain('error: the VMID 9900, which TEMPLATE_VMID pins, is taken')
    expect(taken.stderr).toContain('taken by: proxmint-base-debian-12')
    expect(taken.code).toBe(exitCodes.invalid)
    const built = await own.zx('build', ['debian', '--no-test', '--json'], { TEMPLATE_VMID: '8123' })
    expect(JSON.parse(built.stdout)).toMatchObject({ template: { vmid: 8123 } })
  })

  test('two files that define one source', async () => {
    await using own = await createWorkspace(lab)
    const folder = join(own.folder, 'packer/debian')
    await cp(join(folder, 'debian.pkr.hcl'), join(folder, 'other.pkr.hcl'))
    const { code, stderr } = await own.zx('build', ['debian', '--no-test'])
    expect(stderr).toMatch(
      /debian\.pkr\.hcl.*other\.pkr\.hcl|other\.pkr\.hcl.*debian\.pkr\.hcl|Duplicate source/s,
    )
    expect(code).toBe(exitCodes.invalid)
    expect((await listVms(root)).filter(vm => own.vmids[0] <= vm.vmid && vm.vmid <= own.vmids[1])).toEqual([])
  })
})
