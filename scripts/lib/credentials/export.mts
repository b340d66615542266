import type { Credentials } from './credentials.mts'

/**
 * The variables a direnv shell carries: Packer's, Terraform's (`PROXMOX_API_TOKEN`), and those the
 * bpg/proxmox provider reads by itself.
 */
export function exportedVariables(c: Credentials): Record<string, string> {
  const fullId = `${c.user}!${c.tokenId}`
  return {
    PROXMOX_URL: c.url,
    PROXMOX_USERNAME: fullId,
    PROXMOX_TOKEN: c.tokenSecret,
    PROXMOX_API_TOKEN: `PVEAPIToken=${fullId}=${c.tokenSecret}`,
    PROXMOX_NODE: c.node,
    PROXMOX_STORAGE_POOL: c.storagePool,
    PROXMOX_SKIP_TLS_VERIFY: String(c.skipTlsVerify),
    ...defined({ PROXMOX_PASSWORD: c.password, PROXMOX_CA_FILE: c.caFile }),
    PROXMOX_VE_ENDPOINT: `${new URL(c.url).origin}/`,
    PROXMOX_VE_API_TOKEN: `${fullId}=${c.tokenSecret}`,
    PROXMOX_VE_INSECURE: String(c.skipTlsVerify),
    ...sshVariables(c),
  }
}

function sshVariables({ ssh }: Credentials): Record<string, string> {
  if (ssh === undefined) return {}
  return defined({
    PROXMOX_SSH_USER: ssh.user,
    PROXMOX_SSH_PRIVATE_KEY: ssh.privateKey,
    PROXMOX_SSH_ADDRESS: ssh.address,
    PROXMOX_VE_SSH_USERNAME: ssh.user,
    PROXMOX_VE_SSH_PRIVATE_KEY: ssh.privateKey,
  })
}

function defined(values: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

/** `export NAME='value'` lines for `eval`; every value is quoted for a POSIX shell. */
export function shellExports(variables: Record<string, string>): string {
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`)
    .join('')
}

/**
 * What a child process needs to trust a private certificate authority. Go programs on Linux still read the
 * system's certificate folder beside this file, so downloads of plugins keep working. Set for the child
 * alone: exported to a whole shell it would replace the roots of every other program there.
 */
export function certificateVariables(c: Pick<Credentials, 'caFile'>): Record<string, string> {
  return defined({ SSL_CERT_FILE: c.caFile })
}
