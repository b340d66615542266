import { isTransientText } from '../packer/failures.mts'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { listFailedTasks } from '../proxmox/list-failed-tasks.mts'
import { PackerError } from './packer-run.mts'

/**
 * Adds the reason of a failed clone. Packer 1.6 ignores how its clone ended and then misses the VM; the reason is in
 * Proxmox's list of tasks. The clone found may be that of a build at the same time: the remedy is the same.
 * @param since milliseconds since 1970; earlier tasks are ignored.
 * @returns the failure with that reason, or unchanged.
 */
export async function withCloneFailure(
  client: ProxmoxClient,
  node: string,
  since: number,
  failure: unknown,
): Promise<unknown> {
  if (!(failure instanceof PackerError) || !/Configuration file .* does not exist/.test(failure.message)) {
    return failure
  }
  const [clone] = await listFailedTasks(client, node, { type: 'qmclone', since }).catch(() => [])
  if (clone === undefined) return failure
  const { message, facts, hint, exitCode } = failure
  const reason = `the clone of VM ${clone.id} failed: ${clone.status}`
  return new PackerError(
    `${message}\n  ${reason}`,
    { facts, hint, exitCode, cause: failure },
    isTransientText(clone.status),
  )
}
