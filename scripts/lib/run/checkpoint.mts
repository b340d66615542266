/**
 * Marks a moment at which a run can die. Kills this process, as `kill -9` does, if a test sets PROXMINT_TEST_KILL_AT
 * to `name`. Otherwise it does nothing. test/checkpoints.mts lists the names.
 */
export function checkpoint(name: string): void {
  if (process.env['PROXMINT_TEST_KILL_AT'] === name) process.kill(process.pid, 'SIGKILL')
}
