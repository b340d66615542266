/** A project of a user's in which trials are made, and everything that a trial must leave as it was. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listPools } from '../../scripts/lib/proxmox/list-pools.mts'
import { listStorages } from '../../scripts/lib/proxmox/list-storages.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { listVolumes } from '../../scripts/lib/proxmox/list-volumes.mts'
import { filesBelow } from './leftovers.mts'
import { copyVmFolders, homeIn } from './vm-workspace.mts'
import { createWorkspace, rootClient, type Started, type Workspace } from './workspace.mts'

export interface TrialSite extends AsyncDisposable {
  workspace: Workspace
  /** Runs `trial ARGS`, with nobody to ask. */
  trial(args: string[], env?: Record<string, string>): Promise<ExecResult>
  start(args: string[], env?: Record<string, string>): Started
  /** Fails if anything in Proxmox or in the project is otherwise than at the beginning. */
  expectUntouched(): Promise<void>
}

/** @param prepare makes what the user has before a trial. */
export async function createTrialSite(
  lab: Lab,
  prepare: (workspace: Workspace, home: Record<string, string>) => Promise<void> = async () => {},
): Promise<TrialSite> {
  const workspace = await createWorkspace(lab)
  await copyVmFolders(workspace)
  const home = homeIn(workspace)
  await prepare(workspace, home)
  const before = await everything(lab, workspace)
  return {
    workspace,
    trial: (args, env) => workspace.zx('trial', args, { ...home, ...env }),
    start: (args, env) => workspace.start('trial', args, { ...home, ...env }),
    expectUntouched: async () => expect(await everything(lab, workspace)).toEqual(before),
    [Symbol.asyncDispose]: () => workspace[Symbol.asyncDispose](),
  }
}

/** VMs with their configs, volumes, pools, and every file of the project with its content. */
async function everything(lab: Lab, { folder }: Workspace): Promise<Record<string, string>> {
  const root = rootClient(lab)
  const [vms, storages, pools, files] = await Promise.all([
    listVms(root),
    listStorages(root, 'pve'),
    listPools(root),
    filesBelow(folder),
  ])
  const configs = await Promise.all(
    vms.map(async vm => [`VM ${vm.vmid}`, JSON.stringify(await getVmConfig(root, vm))]),
  )
  const places = storages.flatMap(({ storage, content }) => content.split(',').map(one => [storage, one]))
  const volumes = await Promise.all(
    places.map(([storage, content]) => listVolumes(root, { node: 'pve', storage: storage! }, content!)),
  )
  const contents = await Promise.all(
    files.map(async file => [`file ${file}`, (await readFile(join(folder, file))).toString('latin1')]),
  )
  return Object.fromEntries([
    ...configs,
    ...volumes.flat().map(({ volid }) => [`volume ${volid}`, '']),
    ...pools.map(pool => [`pool ${pool}`, '']),
    ...contents,
  ])
}

/** Kills a trial at a moment, as by `kill -9`, and cleans up after it. */
export async function killedAndCleaned(site: TrialSite, moment: string): Promise<void> {
  const killed = await site.trial(['--yes'], { PROXMINT_TEST_KILL_AT: moment })
  expect(killed.code, `${moment}: it must have been reached: ${killed.stderr}`).not.toBe(0)
  expect(killed.stdout, moment).toBe('')
  const cleaned = await site.trial(['--clean'])
  expect(cleaned, moment).toMatchObject({ code: 0, stdout: 'nothing of the trial is left\n' })
  await site.expectUntouched()
}
