/** Memory of a machine in a file, and keys for it. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Qmp } from './qmp.mts'

const POLL_MS = 50

/** Quotes a path for the shell that QEMU starts. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`
}

/** Returns the text for QEMU's option `-incoming`. */
export function incomingFrom(path: string): string {
  return `exec:cat < ${quoted(path)}`
}

async function statusOf(
  qmp: Qmp,
  command: 'query-migrate' | 'query-status',
): Promise<Record<string, unknown>> {
  return (await qmp.execute(command)) as Record<string, unknown>
}

/** Writes memory and devices of a halted machine. @throws {Error} with QEMU's text. */
export async function saveState(qmp: Qmp, path: string): Promise<void> {
  // Without a limit: nothing else uses this disk at the same time.
  await qmp.execute('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 })
  await qmp.execute('migrate', { uri: `exec:cat > ${quoted(path)}` })
  for (;;) {
    const { status, 'error-desc': reason } = await statusOf(qmp, 'query-migrate')
    if (status === 'completed') return
    if (status === 'failed' || status === 'cancelled')
      throw new Error(`the state could not be saved: ${reason ?? status}`)
    await delay(POLL_MS)
  }
}

/** Waits until a machine has read its state, and lets it run. */
export async function continueFrom(qmp: Qmp): Promise<void> {
  while ((await statusOf(qmp, 'query-status'))['status'] === 'inmigrate') await delay(POLL_MS)
  await qmp.execute('cont')
}

/** Presses keys together. @param keys QEMU's names, joined by `-`. */
export async function sendKeys(qmp: Qmp, keys: string): Promise<void> {
  const pressed = keys.split('-').map(key => ({ type: 'qcode', data: key }))
  await qmp.execute('send-key', { keys: pressed })
}
