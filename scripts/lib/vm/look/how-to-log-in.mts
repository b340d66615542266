import { homedir } from 'node:os'
import { join } from 'node:path'
import { loginsOf } from '../../cloud-init/logins.mts'
import type { Entry } from '../../registry/entry.mts'
import { command, runCommand } from '../../run/exec.mts'

/**
 * Lines that say how to get into a VM that runs; empty for one that nobody can log in to.
 * @param userData as rendered; it names the account.
 * @param isNew whether the VM was made just now: the host key of another one at its address is of no use.
 */
export async function howToLogIn(entry: Entry, userData: string, isNew: boolean): Promise<string[]> {
  const { design, address } = entry
  if (design === null) return []
  const { any, account } = await loginsOf(userData)
  const { access } = design
  if (access === null && !any) return ['nobody can log in to it']
  const host = address.includes(':') ? `[${address}]` : address
  return [
    `to log in: ssh ${account ?? design.cloudInit.username}@${address}`,
    ...(access === null ? [] : [`its owner signs the code at http://${host}:${access.signingPagePort}/`]),
    ...(isNew && (await isKnownHost(address)) ? [`its host key is new: ssh-keygen -R ${address}`] : []),
  ]
}

/** Whether `known_hosts` has a key of the address, such as that of the VM that had it before. */
async function isKnownHost(address: string): Promise<boolean> {
  const file = join(homedir(), '.ssh', 'known_hosts')
  try {
    return (await runCommand(command`ssh-keygen -F ${address} -f ${file}`)).code === 0
  } catch {
    return false
  }
}
