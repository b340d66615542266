/**
 * The moments of build, test, promotion and prune between which a run can die, in order. The tests kill a run at
 * each of them, by its name in PROXMINT_TEST_KILL_AT, and see what the next one makes of it.
 */
export const checkpoints = [
  'reserved',
  'packer-started',
  'packer-ended',
  'finished',
  'test-reserved',
  'test-started',
  'tested',
  'recorded',
  'released',
  'mirrored',
  'prune-planned',
  'prune-deleted',
  'prune-forgotten',
] as const

/** The same in the life of a VM. */
export const vmCheckpoints = [
  'vm-reserved',
  'vm-create-planned',
  'vm-create-applied',
  'vm-created',
  'vm-minted',
  'vm-boot-planned',
  'vm-boot-applied',
  'vm-verified',
  'vm-active',
  'vm-suspended',
  'vm-stopped',
  'vm-destroy-planned',
  'vm-destroy-applied',
  'vm-destroyed',
  'vm-folder-removed',
  'vm-forgotten',
] as const

/** The same of a transaction: nothing signed; signed and stored; sent; its receipt seen. */
export const mintCheckpoints = ['mint-unsigned', 'mint-stored', 'mint-sent', 'mint-mined'] as const

export type Checkpoint =
  | (typeof checkpoints)[number]
  | (typeof vmCheckpoints)[number]
  // Of a rebuild, before it goes on as the creation of a VM does.
  | 'vm-rebuild-decided'
  | 'vm-rebuild-cleared'
  | (typeof mintCheckpoints)[number]

/** Dies here, as by `kill -9`, where a test asks for it; does nothing otherwise. */
export function checkpoint(name: Checkpoint): void {
  if (process.env['PROXMINT_TEST_KILL_AT'] === name) process.kill(process.pid, 'SIGKILL')
}
