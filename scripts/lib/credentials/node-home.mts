/** A home folder for OpenTofu, whose provider knows only the pinned host keys of the nodes. */
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf } from '../run/errors.mts'
import { knownHosts } from './host-key.mts'

/** Home folder for one run. */
export interface NodeHome extends AsyncDisposable {
  /** `HOME` for a child process; empty if no key is pinned. */
  env: Record<string, string>
}

/**
 * Makes a home folder with the pinned keys as `.ssh/known_hosts`, and links to everything else of the real one. The
 * provider bpg/proxmox reads `known_hosts` there and nowhere else: it accepts and adds any key of a host that is not in
 * it, and refuses another key of a host that is (`openNodeShell` in proxmox/ssh/client.go, 0.111.1).
 */
export async function openNodeHome(pinned: string | undefined): Promise<NodeHome> {
  if (pinned === undefined) return { env: {}, [Symbol.asyncDispose]: async () => {} }
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-home-'))
  await linkHome(folder)
  await mkdir(join(folder, '.ssh'), { mode: 0o700 })
  await linkAll(join(homedir(), '.ssh'), join(folder, '.ssh'), 'known_hosts')
  await writeFile(join(folder, '.ssh', 'known_hosts'), knownHosts(pinned), { mode: 0o600 })
  return {
    env: { HOME: folder },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

/** Links everything of the real home folder but `.ssh` into another folder. */
export function linkHome(folder: string): Promise<void> {
  return linkAll(homedir(), folder, '.ssh')
}

async function linkAll(from: string, to: string, except: string): Promise<void> {
  const names = await readdir(from).catch(error => {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  })
  const others = names.filter(name => name !== except)
  await Promise.all(others.map(name => symlink(join(from, name), join(to, name))))
}
