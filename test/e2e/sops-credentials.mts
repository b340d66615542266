/** A workspace whose login comes from its SOPS file, as a user's does, and from nowhere else. */
import { join } from 'node:path'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { zxOutside } from './outside.mts'
import type { Workspace } from './workspace.mts'

/** Variables that take the login out of the environment. The age identity is the workspace's own. */
export function sopsEnvironment(workspace: Workspace): Record<string, string> {
  const variables = ['URL', 'USERNAME', 'TOKEN', 'API_TOKEN', 'NODE', 'STORAGE_POOL', 'PASSWORD', 'CA_FILE']
  return {
    ...Object.fromEntries(variables.map(name => [`PROXMOX_${name}`, ''])),
    SOPS_AGE_KEY_FILE: join(workspace.folder, 'age-identity.txt'),
  }
}

/** What a right credentials file of the lab holds. */
export function labCredentials({ url, caFile, tokenEnv }: Lab): Record<string, string> {
  const [user, tokenId] = tokenEnv['PROXMOX_USERNAME']!.split('!')
  return {
    proxmox_url: url,
    proxmox_user: user!,
    proxmox_token_id: tokenId!,
    proxmox_token_secret: tokenEnv['PROXMOX_TOKEN']!,
    proxmox_node: tokenEnv['PROXMOX_NODE']!,
    proxmox_storage_pool: tokenEnv['PROXMOX_STORAGE_POOL']!,
    proxmox_password: tokenEnv['PROXMOX_PASSWORD']!,
    proxmox_ca_file: caFile,
  }
}

/** Makes identity, `.sops.yaml` and the encrypted file. */
export function initCredentials(workspace: Workspace, values: Record<string, string>): Promise<ExecResult> {
  const input = JSON.stringify(values)
  return zxOutside(workspace, 'credentials', ['init'], { env: sopsEnvironment(workspace), input })
}
