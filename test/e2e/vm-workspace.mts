/** A workspace in which VMs are made of a VM template that Packer built, and what must not be left of them. */
import { execFile } from 'node:child_process'
import { cp, mkdir, readdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { listVolumes } from '../../scripts/lib/proxmox/list-volumes.mts'
import { openFileStore } from '../../scripts/lib/registry/file/file-store.mts'
import type { RegistryStore } from '../../scripts/lib/registry/store.mts'
import { takeTemplate } from './golden.mts'
import { ageLocks } from './locks.mts'
import { createWorkspace, repository, rootClient, type Started, type Workspace } from './workspace.mts'

export interface VmWorkspace extends AsyncDisposable {
  workspace: Workspace
  /** Runs a command about VMs; the provider keeps host keys in the home folder, and every lab has another. */
  run(name: string, args: string[], env?: NodeJS.ProcessEnv): Promise<ExecResult>
  /** The same without waiting for its end. */
  start(name: string, args: string[], env?: Record<string, string>): Started
  /** The same with `--json`: what it printed. Fails where the command does. */
  // biome-ignore lint/suspicious/noExplicitAny: what a command printed
  json(name: string, ...args: string[]): Promise<any>
  /** The registry itself, for what a test prepares. */
  registry: RegistryStore
  /** Everything of VMs that is outside of the registry, in words. */
  left(): Promise<string[]>
  /** Makes the locks of a run that was killed as old as they are 15 s later. */
  ageLocks(): Promise<void>
}

/**
 * @param template makes a VM template current in the workspace. Default: takes the one of a lab that began with
 * `template`.
 */
export async function createVmWorkspace(
  lab: Lab,
  template: (workspace: Workspace) => Promise<void> = takeTemplate,
): Promise<VmWorkspace> {
  const workspace = await createWorkspace(lab)
  await copyVmFolders(workspace)
  await template(workspace)
  const folder = join(workspace.stateDir, 'registry')
  const home = homeIn(workspace)
  const run: VmWorkspace['run'] = (name, args, env) => workspace.zx(name, args, { ...home, ...env })
  const registry = openFileStore({ folder, purpose: 'test' })
  return {
    workspace,
    run,
    start: (name, args, env) => workspace.start(name, args, { ...home, ...env }),
    async json(name, ...args) {
      const { code, stdout, stderr } = await run(name, [...args, '--json'])
      expect(code, stderr).toBe(0)
      return JSON.parse(stdout)
    },
    registry,
    left: () => leftOutside(lab, workspace),
    ageLocks: () => ageLocks(workspace.stateDir),
    async [Symbol.asyncDispose]() {
      await registry.close()
      await workspace[Symbol.asyncDispose]()
    },
  }
}

/** What VMs are made with, beside VM templates: folders, and the SSH key of a person whose home this is. */
export async function copyVmFolders(workspace: Workspace): Promise<void> {
  for (const folder of ['terraform', 'cloud-init']) {
    await cp(join(repository, folder), join(workspace.folder, folder), { recursive: true })
  }
  // The lab's guests reach no package mirror.
  await workspace.edit('cloud-init/templates/devbox.yaml', /\npackage_update:(.|\n)*/, '\n')
  await makeOwnKey(workspace.folder)
}

/** Gives a home folder an SSH key without a passphrase. */
export async function makeOwnKey(home: string): Promise<void> {
  await mkdir(join(home, '.ssh'), { mode: 0o700 })
  const file = join(home, '.ssh/id_ed25519')
  await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'me@laptop', '-f', file])
}

/** A home folder of its own, with the cache of this one. */
export function homeIn(workspace: Workspace): Record<string, string> {
  return {
    HOME: workspace.folder,
    XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  }
}

async function leftOutside(lab: Lab, workspace: Workspace): Promise<string[]> {
  const root = rootClient(lab)
  const storage = { node: 'pve', storage: 'local' }
  const [vms, snippets, isos, folders] = await Promise.all([
    listVms(root),
    listVolumes(root, storage, 'snippets'),
    listVolumes(root, storage, 'iso'),
    readdir(join(workspace.folder, 'vms')).catch(() => []),
  ])
  return [
    ...vms.filter(({ vmid }) => vmid < 9000).map(({ vmid, name }) => `VM ${vmid} ${name}`),
    ...[...snippets, ...isos]
      .map(({ volid }) => volid)
      .filter(volid => /proxmint-[\w-]+\.(yaml|iso)$/.test(volid)),
    ...folders.map(name => `vms/${name}`),
  ].sort()
}
