import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { checks } from '../../scripts/lib/acceptance/checks.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { cloneVm } from '../../scripts/lib/proxmox/clone-vm.mts'
import { convertToTemplate } from '../../scripts/lib/proxmox/convert-to-template.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { updateVmConfig } from '../../scripts/lib/proxmox/update-vm-config.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { listReservations } from '../../scripts/lib/templates/reservations.mts'
import { acceptanceFaults, testTemplate } from './acceptance-faults.mts'
import { buildWithout, cleanUp, steps } from './clean-up-steps.mts'
import { startLabWith, takeTemplate } from './golden.mts'
import { leftovers } from './leftovers.mts'
import { createWorkspace, rootClient, type Started, type Workspace } from './workspace.mts'

let lab: Lab
let root: ProxmoxClient
/** With a VM template that passes. */
let good: Workspace
let template: number
let templateName: string

beforeAll(async () => {
  lab = await startLabWith('template')
  root = rootClient(lab)
  good = await createWorkspace(lab)
  await takeTemplate(good)
  template = good.vmids[0]
  templateName = (await listVms(root)).find(vm => vm.vmid === template)!.name!
})
afterAll(async () => {
  await good?.[Symbol.asyncDispose]()
  await lab?.close()
})

/** VMs of the workspace besides the VM template, and what else is left; logs of its builds are not. */
async function leftBehind(workspace: Workspace): Promise<string[]> {
  const left = await leftovers(root, workspace)
  return left.filter(one => one !== `VM ${template} ${templateName}` && !one.startsWith('logs/'))
}

async function configure(workspace: Workspace, ...lines: string[]): Promise<void> {
  const file = join(workspace.folder, 'config/proxmint.yaml')
  await writeFile(file, [await readFile(file, 'utf8'), ...lines, ''].join('\n'))
}

describe('a good VM template', () => {
  test('passes every check, and nothing of the test is left', async () => {
    const report = await testTemplate(good, template)
    expect(report.checks.filter(check => !check.passed)).toEqual([])
    expect(report.checks.map(check => check.name)).toEqual(checks.map(check => check.name))
    expect(report.passed).toBe(true)
    expect(report.packages).toEqual(
      expect.arrayContaining([expect.stringMatching(/^openssh-server \S+ \S+$/)]),
    )
    expect(await leftBehind(good)).toEqual([])
  })

  test('is told to a person, a line per check', async () => {
    const { code, stdout } = await good.zx('templates', ['test', 'debian'])
    const lines = stdout.trimEnd().split('\n')
    expect(lines.slice(0, -1).map(line => line.split(/ +/).slice(0, 2))).toEqual(
      checks.map(({ name }) => ['ok', name]),
    )
    expect(lines.at(-1)).toMatch(new RegExp(`^${templateName} \\(VM ${template}\\) passed, in [\\d.]+ s$`))
    expect(code).toBe(0)
  })

  test.concurrent('gives a clone the static address it is told', async () => {
    await using workspace = await createWorkspace(lab)
    await configure(workspace, 'test_address: 192.168.122.50/24,gw=192.168.122.1')
    const { passed, checks: results } = await testTemplate(workspace, template)
    expect(results.find(({ name }) => name === 'address')!.detail).toMatch(/^192\.168\.122\.50\/24, 192/)
    expect(passed).toBe(true)
  })

  test.concurrent('of a family nobody can log in to is judged by Proxmox and the agent', async () => {
    await using workspace = await createWorkspace(lab)
    await workspace.edit('packer/debian/family.yaml', 'login: ssh', 'login: none')
    const { passed, checks: results } = await testTemplate(workspace, template)
    expect(results.map(({ name }) => name)).toEqual(['full-clone', 'boots', 'agent', 'address'])
    expect(passed).toBe(true)
  })
})

describe('removed from the template, acceptance fails:', () => {
  test('every step of the clean-up is here', async () => {
    const script = await readFile(join(good.folder, cleanUp), 'utf8')
    const ofDebian = script.replace(/^ {2}\*' arch '\*\)\n[\s\S]*?^ {4};;\n/m, '')
    const commands = ofDebian
      .split('\n')
      .map(line => line.trim())
      .filter(line => line !== '' && !/^(#|set |sync$|\. |case |\*' debian '\*\)$|;;$|esac$)/.test(line))
    expect(steps.map(([line]) => line)).toEqual(commands)
  })

  // One by one, each in a build of its own: test/nightly/acceptance-clean-up.test.mts. What two of them leave is
  // hidden by what others leave.
  const hidden = ['truncate -s 0 /etc/machine-id', 'rm -f /root/.ssh/authorized_keys /root/.bash_history']
  test.concurrent.each([
    ['every step but two', steps.filter(([line]) => !hidden.includes(line))],
    ['the other two', steps.filter(([line]) => hidden.includes(line))],
  ])('%s', async (_, removed) => {
    await using workspace = await createWorkspace(lab)
    await buildWithout(
      workspace,
      removed.map(([line]) => line),
    )
    const found = await acceptanceFaults(workspace, workspace.vmids[0])
    const expected = removed.flatMap(([, faults]) => faults)
    const checkOf = (fault: string | RegExp) =>
      /^\^?([\w-]+): /.exec(typeof fault === 'string' ? fault : fault.source)![1]!
    expect(new Set(found.map(checkOf))).toEqual(new Set(expected.map(checkOf)))
    for (const fault of expected) {
      const [, words] = /^\^[\w-]+: (.*?)\$?$/.exec(fault.source)!
      expect(found.find(one => checkOf(one) === checkOf(fault))).toMatch(new RegExp(words!))
    }
  })

  test.concurrent('the guest agent', async () => {
    await using workspace = await createWorkspace(lab)
    await configure(workspace, 'test_boot_timeout_seconds: 15')
    const purge = 'apt-get -y purge qemu-guest-agent\napt-get clean'
    await workspace.edit(cleanUp, /^ *apt-get clean$/m, purge)
    const { code, stderr } = await workspace.zx('build', ['debian'])
    expect(stderr).toMatch(
      /^error: debian-\S+ \(VM \d+\) failed 1 of 3 checks of its acceptance test:\n {2}agent: VM \d+ did not answer within 15 s, VM \d+ did not/m,
    )
    expect(code).toBe(exitCodes.failed)
    // Tests at the same time have ISO files of their own.
    const left = (await leftBehind(workspace)).filter(one => !one.startsWith('local:iso/'))
    expect(left).toEqual([])
  })

  // Packer cannot finish a linked clone in the lab, where it does not boot: see agentless-base.test.mts.
  test.concurrent('full_clone', async () => {
    await using workspace = await createWorkspace(lab)
    const vmid = workspace.vmids[0]
    const finish = (upid: string) => waitForTask(root, upid, { timeoutMs: 60_000 })
    const base = { node: 'pve', vmid: 9900 }
    await finish(await cloneVm(root, base, { newid: vmid, name: 'debian', description: 'linked', full: 0 }))
    const converting = await convertToTemplate(root, { node: 'pve', vmid })
    if (converting !== null) await finish(converting)
    expect(await acceptanceFaults(workspace, vmid)).toContain(
      `full-clone: scsi0 is tank:base-9900-disk-0/base-${vmid}-disk-0, a linked clone`,
    )
  })
})

/** A test whose first clone runs. */
async function startTest(workspace: Workspace): Promise<Started> {
  const started = workspace.start('templates', ['test', String(template)])
  const [first, last] = workspace.vmids
  for (let i = 0; i < 300; i++) {
    const clones = (await listVms(root)).filter(
      ({ vmid, status }) => vmid >= first && vmid <= last && status === 'running',
    )
    if (clones.length > 0) return started
    await sleep(100)
  }
  throw new Error(`no clone ever ran: ${(await started.ended).stderr}`)
}

describe('an interrupted test', () => {
  test('by Ctrl-C leaves nothing', async () => {
    await using workspace = await createWorkspace(lab)
    const started = await startTest(workspace)
    started.signal('SIGINT')
    const { code, stderr } = await started.ended
    expect(stderr).toContain('error: interrupted: the acceptance test')
    expect(code).toBe(exitCodes.interrupted)
    expect(await leftBehind(workspace)).toEqual([])
  })

  test('by kill -9 leaves clones that the next run removes', async () => {
    await using workspace = await createWorkspace(lab)
    const started = await startTest(workspace)
    started.signal('SIGKILL')
    await started.ended
    const left = await listReservations(workspace.stateDir)
    expect(left.map(({ name, purpose }) => `${name}: ${purpose}`)).toEqual([
      'proxmint-test-debian-1: test debian',
      'proxmint-test-debian-2: test debian',
    ])
    const { code, stderr } = await workspace.zx('templates', ['test', String(template)])
    for (const { vmid } of left) {
      expect(stderr).toContain(`removed VM ${vmid}, left by \`test debian\``)
    }
    expect(code).toBe(0)
    expect(await leftBehind(workspace)).toEqual([])
  })
})

describe('what cannot be tested', () => {
  const hint = 'hint: zx scripts/templates.mts list\n'

  test.each([
    [
      'a VMID that is nobody has',
      '8999',
      2,
      `error: there is no VM 8999 that proxmint@pve!lab can see\n${hint}`,
    ],
    [
      'a VM template of no family',
      '9900',
      2,
      'error: VM 9900 (proxmint-base-debian-12) belongs to no template family\n  known: ',
    ],
  ])('%s', async (_, vmid, expected, told) => {
    const { code, stderr } = await good.zx('templates', ['test', vmid])
    expect(stderr).toContain(told)
    expect(code).toBe(expected)
  })

  test('without a privilege it needs: nothing is made', async () => {
    const role = '/access/roles/Proxmint'
    const before = Object.keys(await root.request<Record<string, number>>('GET', role))
    const without = before.filter(name => name !== 'VM.Config.CDROM')
    await root.request('PUT', role, { privs: without.join(',') })
    try {
      const { code, stderr } = await good.zx('templates', ['test', String(template)])
      expect(stderr).toContain('  /vms: VM.Config.CDROM (configure the VM)')
      expect(code).toBe(exitCodes.denied)
      expect(await leftBehind(good)).toEqual([])
    } finally {
      await root.request('PUT', role, { privs: before.join(',') })
    }
  })
})

test('a VM that is no template is not cloned', async () => {
  const vmid = good.vmids[1]
  const upid = await root.request<string>('POST', '/nodes/pve/qemu', { vmid, name: 'debian' })
  await waitForTask(root, upid, { timeoutMs: 60_000 })
  await updateVmConfig(root, { node: 'pve', vmid }, { tags: 'debian' })
  const { code, stderr } = await good.zx('templates', ['test', String(vmid)])
  expect(stderr).toContain(`error: VM ${vmid} is not a VM template\n`)
  expect(code).toBe(exitCodes.usage)
})
