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

export type Checkpoint = (typeof checkpoints)[number]

/** Dies here, as by `kill -9`, where a test asks for it; does nothing otherwise. */
export function checkpoint(name: Checkpoint): void {
  if (process.env['PROXMINT_TEST_KILL_AT'] === name) process.kill(process.pid, 'SIGKILL')
}
