/**
 * Marks a moment between which and the next a run can die. Dies there, as by `kill -9`, where a test asks for it by
 * PROXMINT_TEST_KILL_AT; does nothing otherwise. The names are in test/checkpoints.mts.
 */
export function checkpoint(name: string): void {
  if (process.env['PROXMINT_TEST_KILL_AT'] === name) process.kill(process.pid, 'SIGKILL')
}
