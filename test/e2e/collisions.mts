/** VMIDs that somebody else takes between the check of a run and its clone: a person, or another site on the cluster. */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import type { Entry } from '../../scripts/lib/registry/entry.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

/** Addresses of the two sites: one cluster and one VMID range, but networks of their own. */
const POOLS = { north: '192.168.122.200-192.168.122.220', south: '192.168.122.221-192.168.122.241' }

const KEY = `ssh-ed25519 ${Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0 '.padEnd(51, 'k')).toString('base64')} test`

/** A site with a name, a registry and addresses of its own. It makes VMs of the base VM of the lab. */
export async function createSite(lab: Lab, site: keyof typeof POOLS): Promise<VmWorkspace> {
  const vms = await createVmWorkspace(lab, async ({ folder, edit }) => {
    await edit('config/proxmint.yaml', 'site: test', `site: ${site}`)
    const pool = `{ addresses: ${POOLS[site]}, prefix: 24, gateway: 192.168.122.1 }`
    await writeFile(join(folder, 'config/vm.yaml'), `cloud_init: { ssh_authorized_keys: [${KEY}] }\n`)
    await writeFile(join(folder, 'config/db.yaml'), `pools:\n  default: ${pool}\n`)
  })
  await mkdir(join(vms.workspace.folder, 'vms'), { recursive: true })
  return vms
}

/** Options of a VM that is cloned from the base VM. */
export const FROM_BASE = ['--template-vmid', '9900', '--apply']

/** Config of a VM as text, with its digest: the checksum of its file. */
export async function configText(lab: Lab, vmid: number): Promise<string> {
  return JSON.stringify(await getVmConfig(rootClient(lab), { node: 'pve', vmid }))
}

/** Makes a VM of somebody else's. @returns its config as text. */
export async function makeStranger(lab: Lab, vmid: number): Promise<string> {
  const root = rootClient(lab)
  const settings = { vmid, name: `stranger-${vmid}`, memory: 64, cores: 1, scsi0: 'tank:1' }
  await waitForTask(root, await root.request<string>('POST', '/nodes/pve/qemu', settings), {
    timeoutMs: 60_000,
  })
  return configText(lab, vmid)
}

/**
 * Creates a VM while somebody makes one with its VMID, as soon as Terraform's plan is there.
 * @param takes the number of VMIDs that are taken, one after the other.
 * @returns the entry, and the configs of the others before and after.
 */
export async function collide(lab: Lab, site: VmWorkspace, name: string, takes: number) {
  const run = site.start('vm', ['create', name, ...FROM_BASE, '--json'])
  let isDone = false
  void run.ended.finally(() => {
    isDone = true
  })
  const before = new Map<number, string>()
  const plan = join(site.workspace.folder, 'vms', name, 'tfplan')
  while (before.size < takes) {
    await vi.waitUntil(
      async () => isDone || (existsSync(plan) && !before.has((await site.registry.find(name))!.vmid)),
      { timeout: 180_000, interval: 30 },
    )
    if (isDone) break
    const { vmid } = (await site.registry.find(name))!
    before.set(vmid, await makeStranger(lab, vmid))
  }
  const { code, stdout, stderr } = await run.ended
  const after = new Map<number, string>()
  for (const vmid of before.keys()) after.set(vmid, await configText(lab, vmid))
  return { code, stderr, before, after, entry: code === 0 ? (JSON.parse(stdout) as Entry) : undefined }
}

/** Checks that a VM in Proxmox is the one of this entry, with the name, tag, address and user-data of its site alone. */
export async function expectOwn(lab: Lab, entry: Entry, site: string): Promise<void> {
  const config = await getVmConfig(rootClient(lab), { node: 'pve', vmid: entry.vmid })
  expect(config).toMatchObject({
    name: entry.name,
    tags: `proxmint-${site}`,
    description: expect.stringContaining(`Entry ${entry.id}.`),
    cicustom: `user=local:snippets/proxmint-${entry.name}-${entry.id}.yaml`,
    ipconfig0: expect.stringContaining(`ip=${entry.address}/24`),
  })
}

/**
 * Has two sites create a VM at the same moment, and destroys both.
 * @returns whether both had reserved one VMID.
 */
export async function createAtOnce(lab: Lab, [north, south]: [VmWorkspace, VmWorkspace], round: number) {
  const names = [`n-${round}`, `s-${round}`] as const
  const create = (site: VmWorkspace, name: string) => site.json('vm', 'create', name, ...FROM_BASE)
  const [a, b]: Entry[] = await Promise.all([create(north, names[0]), create(south, names[1])])
  expect(a!.vmid).not.toBe(b!.vmid)
  expect(a!.address).not.toBe(b!.address)
  await expectOwn(lab, a!, 'north')
  await expectOwn(lab, b!, 'south')
  await Promise.all([
    north.json('vm', 'destroy', names[0], '--yes'),
    south.json('vm', 'destroy', names[1], '--yes'),
  ])
  expect((await listVms(rootClient(lab))).filter(({ vmid }) => vmid === a!.vmid || vmid === b!.vmid)).toEqual(
    [],
  )
  return [a!, b!].some(({ history }) => history.some(({ what }) => what.includes('is taken in Proxmox')))
}
