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
    await writeFile(join(folder, 'config/vm.yaml'), `cloud_init: { ssh_authorized_keys: [${KEY}] }\n`)
  })
  await useVmids(vms, site, [200, 899])
  await mkdir(join(vms.workspace.folder, 'vms'), { recursive: true })
  return vms
}

/** Lets a site reserve the VMIDs of a range, from its first on. */
async function useVmids({ workspace }: VmWorkspace, site: keyof typeof POOLS, range: [number, number]) {
  const pool = `{ addresses: ${POOLS[site]}, prefix: 24, gateway: 192.168.122.1 }`
  const text = `vmid_range: [${range.join(', ')}]\npools:\n  default: ${pool}\n`
  await writeFile(join(workspace.folder, 'config/db.yaml'), text)
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

/** Has two sites reserve one VMID and make their VMs at the same moment: one gets another VMID. Both are destroyed then. */
export async function createAtOnce(lab: Lab, north: VmWorkspace, south: VmWorkspace, round: number) {
  const sites = [
    { vms: north, site: 'north', name: `n-${round}` },
    { vms: south, site: 'south', name: `s-${round}` },
  ] as const
  const first = 1000 + 10 * round
  const reserved = await Promise.all(
    sites.map(async ({ vms, site, name }) => {
      await useVmids(vms, site, [first, first + 9])
      const entry: Entry = await vms.json('vm', 'create', name, ...FROM_BASE.slice(0, 2))
      return entry.vmid
    }),
  )
  expect(reserved).toEqual([first, first])
  const made = await Promise.all(
    sites.map(async ({ vms, name }): Promise<Entry> => (await vms.json('apply', name))[0].entry),
  )
  expect(made.map(({ vmid }) => vmid).sort()).toEqual([first, first + 1])
  expect(new Set(made.map(({ address }) => address)).size).toBe(2)
  for (const [index, { site }] of sites.entries()) await expectOwn(lab, made[index]!, site)
  await Promise.all(sites.map(({ vms, name }) => vms.json('vm', 'destroy', name, '--yes')))
  expect((await listVms(rootClient(lab))).filter(({ vmid }) => vmid >= 1000 && vmid < 9000)).toEqual([])
}
