/** What the lab's faults look like in Packer: the address it takes, how long it waits, what it says. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createLab, type ExecResult, type Lab } from '../../lab/create.mts'
import { LAB_USER } from '../../lab/identity.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { requireTool } from '../../scripts/lib/tools/find.mts'
import { rootClient } from './workspace.mts'

/** Understood by Packer 1.6 and by the modern plugin alike. */
const TEMPLATE = `
source "proxmox-clone" "faulty" {
  node         = "pve"
  clone_vm     = "base"
  full_clone   = false
  qemu_agent   = true
  ssh_username = "root"
  ssh_password = "none"
  ssh_timeout  = "8s"
}

build {
  sources = ["source.proxmox-clone.faulty"]
}
`

let lab: Lab
let root: ProxmoxClient
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proxmint-faults-'))
  await writeFile(join(folder, 'faulty.pkr.hcl'), TEMPLATE)
  lab = await createLab({ guests: 'none', timeScale: 0 })
  root = rootClient(lab)
  const hardware = { scsi0: 'tank:1', net0: 'virtio,bridge=vmbr0', agent: 1 }
  await done('/nodes/pve/qemu', { vmid: 100, name: 'base', ...hardware })
  await done('/nodes/pve/qemu/100/template', {})
})
afterAll(async () => {
  await lab?.close()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => lab.faults.clear())

async function done(path: string, parameters: Record<string, string | number>) {
  await waitForTask(root, await root.request('POST', path, parameters), { timeoutMs: 60_000 })
}

async function packerBuild(): Promise<ExecResult> {
  const packer = await requireTool('packer')
  const env = {
    ...packer.env,
    PROXMOX_TOKEN: undefined,
    PROXMOX_USERNAME: LAB_USER,
    SSL_CERT_FILE: lab.caFile,
    CHECKPOINT_DISABLE: '1',
  }
  return lab.exec([packer.file, 'build', '-color=false', '.'], { cwd: folder, env })
}

const struck = async () => (await lab.faults.list()).map(report => report.struck)

test('an agent that never answers: Packer waits for an address until its time is up', async () => {
  await lab.faults.set([{ fault: 'silent-agent', seconds: 0.5 }])
  const { code, stdout } = await packerBuild()
  expect(stdout).toContain('Waiting for SSH to become available...')
  expect(stdout).toContain('Timeout waiting for SSH.')
  expect(stdout).not.toMatch(/to connect: \d/)
  expect(code).toBe(1)
  expect((await struck())[0]).toBeGreaterThan(1)
})

test('docker0 first: Packer takes that address, and knocks at a door behind which there is no guest', async () => {
  await lab.faults.set([{ fault: 'docker0-first' }])
  const { code, stdout } = await packerBuild()
  expect(stdout).toMatch(/Using (?:ssh|SSH) communicator to connect: 172\.17\.0\.1/)
  expect(stdout).toContain('Timeout waiting for SSH.')
  expect(code).toBe(1)
})

/** The packaged Packer does not read how a clone's task ended: only the task itself says why there is no VM. */
async function expectFailedClone(reason: string) {
  const { code, stdout } = await packerBuild()
  expect(stdout).toContain('Error creating VM: ')
  expect(code).toBe(1)
  const [task] = await root.request<{ status: string }[]>('GET', '/nodes/pve/tasks', {
    typefilter: 'qmclone',
  })
  expect(task!.status).toBe(reason)
}

test('a clone that breaks off: Packer has no VM, the task says why', async () => {
  const message = 'copy failed: Input/output error'
  await lab.faults.set([{ fault: 'failing-task', percent: 40, message, match: { task: 'qmclone' } }])
  await expectFailedClone(`clone failed: ${message}`)
})

test('a lock that is not to be had: the same', async () => {
  await lab.faults.set([{ fault: 'lock-timeout', seconds: 0, match: { task: 'qmclone' } }])
  await expectFailedClone("can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout")
})

test('a ticket that expires in the midst of the build ends it', async () => {
  await lab.faults.set([{ fault: 'expired-ticket', after: 3 }])
  const { code, stdout } = await packerBuild()
  expect(stdout).toContain('401 Authentication failed!')
  expect(code).toBe(1)
})
