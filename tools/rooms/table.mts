/** The rooms of scripts/lib and of the lab: an import goes from a room to one with a lower level, type imports too. */

import type { RoomTable } from './check.mts'

export interface Room {
  /** Below scripts/lib. */
  folder: string
  level: number
  /** What is in it, for docs/design.md and its picture. */
  holds: string
}

export const ROOMS: readonly Room[] = [
  { folder: 'demo', level: 13, holds: 'the main job once, on a lab' },
  { folder: 'trial', level: 13, holds: 'the main job once, on a Proxmox of the user; nothing of it stays' },
  { folder: 'doctor', level: 12, holds: 'a table of checks, one file per area' },
  { folder: 'report', level: 12, holds: 'one HTML page' },
  { folder: 'timers', level: 12, holds: 'timers of systemd' },
  { folder: 'vm/verbs', level: 11, holds: 'the verbs of `vm`, a file for each matter' },
  { folder: 'reconcile', level: 11, holds: 'compares registry, folders, Proxmox and chain' },
  { folder: 'vm/life', level: 10, holds: 'create, apply, rebuild, suspend, destroy, gc of VMs' },
  { folder: 'vm/rebuild', level: 9, holds: 'exchanges the root disk of a VM, and swaps back' },
  { folder: 'vm/plan', level: 8, holds: 'options, design and reservation of VMs' },
  { folder: 'build', level: 7, holds: 'a family becomes a version; a cloud image becomes a base VM' },
  { folder: 'vm/stack', level: 7, holds: 'folder and Terraform of a VM; converge' },
  { folder: 'channels', level: 6, holds: 'promote, roll back, revoke, prune, list, diff' },
  { folder: 'vm', level: 6, holds: 'registry, login and lock for work on VMs' },
  { folder: 'vm/look', level: 6, holds: 'locates, verifies and lists VMs' },
  { folder: 'vm/shape', level: 5, holds: 'compares what a VM is to be with its config' },
  { folder: 'acceptance', level: 5, holds: 'tests a VM template on two clones' },
  { folder: 'credential', level: 5, holds: 'issuer, mint, contract and events of access credentials' },
  { folder: 'site', level: 4, holds: 'one Proxmox with config and login; what work requires of it' },
  { folder: 'chain', level: 3, holds: 'RPC, signer, transactions, contract, formats' },
  { folder: 'packer', level: 3, holds: 'reads templates, checks rules, plans commands' },
  { folder: 'registry', level: 3, holds: 'VMs with numbers and phases, in files or PostgreSQL' },
  { folder: 'terraform', level: 3, holds: 'configuration of a VM, commands, guard of plans' },
  { folder: 'cloud-init', level: 2, holds: 'user-data, ISO images' },
  { folder: 'credentials', level: 2, holds: 'SOPS or environment, checked' },
  { folder: 'permissions', level: 2, holds: 'needed, granted and missing privileges' },
  { folder: 'templates', level: 2, holds: 'versions, channels, lockfile, reservations' },
  { folder: 'config', level: 1, holds: 'config/*.yaml and their schemas' },
  { folder: 'journey', level: 1, holds: 'a project folder and timed steps, of demo and trial' },
  { folder: 'database', level: 1, holds: 'connections and transactions of PostgreSQL' },
  { folder: 'proxmox', level: 1, holds: 'one file per API operation' },
  { folder: 'tools', level: 1, holds: 'finds or installs packer, sops, age, tofu' },
  { folder: 'run', level: 0, holds: 'entry point, processes, errors, locks, progress' },
]

/** The levels of scripts/lib. The demo starts a lab. */
export const LIBRARY_ROOMS: RoomTable = {
  levels: Array.from({ length: 14 }, (_, level) =>
    ROOMS.filter(room => room.level === level).map(({ folder }) => `${folder}/**`),
  ),
  outside: { 'demo/**': ['../../lab/'] },
}

/** The levels of the lab, the lowest first. */
export const LAB_ROOMS: RoomTable = {
  levels: [
    ['core'],
    ['answers', 'images'],
    ['network'],
    ['chain', 'guests', 'node-ssh'],
    ['guests/qemu', 'guests/sim', 'pve/core'],
    ['cluster', 'pve/access', 'pve/faults', 'pve/sections'],
    ['pve/firewall', 'pve/ha', 'pve/http', 'pve/mapping', 'pve/storage', 'pve/tasks'],
    ['pve/sdn'],
    ['pve/vm'],
    ['pve/nodes', 'pve/pools'],
    ['pve/cluster'],
    ['pve'],
    ['.', 'pve/api-coverage'],
  ],
  apart: ['dist', 'test'],
}
