import { waitForTask } from '../../proxmox/task.mts'
import type { Connection } from '../../site/connect.mts'

/** A guest has this long to shut down before the plug is pulled. */
export const shutdownSeconds = 120

/** Waits for a shutdown or a reboot that gives the guest `shutdownSeconds`. */
export async function waitForShutdown({ client, config }: Connection, upid: string): Promise<void> {
  const timeoutMs = (shutdownSeconds + config.taskTimeoutSeconds) * 1000
  await waitForTask(client, upid, { timeoutMs })
}
