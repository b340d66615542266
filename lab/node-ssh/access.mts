/** How a client reaches the node's SSH. */
export interface NodeSshAccess {
  host: string
  port: number
  user: 'root'
  /** Absolute; readable by the lab's owner alone. */
  privateKeyFile: string
  /** `ssh-ed25519 AAAA...`, as in `known_hosts`. */
  hostKey: string
}

/** The variables by which the bpg/proxmox provider logs in. Where the node is, it asks its API or its own config. */
export function sshVariables(privateKey: string): Record<string, string> {
  return {
    PROXMOX_VE_SSH_USERNAME: 'root',
    PROXMOX_VE_SSH_PRIVATE_KEY: privateKey,
  }
}
