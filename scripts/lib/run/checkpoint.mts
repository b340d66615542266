/**
 * Marks a moment at which a run can die or be stopped. If a test sets PROXMINT_TEST_KILL_AT to `name`, this process ends
 * as by `kill -9`. If it sets PROXMINT_TEST_STOP_AT, the process is stopped as by `kill -STOP`, until the test continues
 * it; that happens once. Otherwise it does nothing. test/checkpoints.mts lists the names.
 */
export function checkpoint(name: string): void {
  const { PROXMINT_TEST_KILL_AT: killAt, PROXMINT_TEST_STOP_AT: stopAt } = process.env
  if (killAt === name) process.kill(process.pid, 'SIGKILL')
  if (stopAt === name && !hasStopped) stopHere()
}

let hasStopped = false

function stopHere(): void {
  hasStopped = true
  process.kill(process.pid, 'SIGSTOP')
  // Another thread of this process may get the signal first: nothing may happen until it stops this one.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
}
