import type { Credentials } from './credentials.mts'

/**
 * Variables of a direnv shell: for Packer, for Terraform (`PROXMOX_API_TOKEN`), and those that the provider bpg/proxmox
 * reads by itself.
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
    ...defined({
      PROXMOX_PASSWORD: c.password,
      PROXMOX_CA_FILE: c.caFile,
      PROXMOX_SSH_HOST_KEY: c.sshHostKey,
    }),
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

/** Lines `export NAME='value'` for `eval`, quoted for a POSIX shell. */
export function shellExports(variables: Record<string, string>): string {
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`)
    .join('')
}

/**
 * Variables for a child process that must trust a private certificate authority. Go programs on Linux also read the
 * system's certificate folder, so downloads of plugins still work. Never export it to a shell: there it would replace
 * the certificate authorities of every other program.
 */
export function certificateVariables(c: Pick<Credentials, 'caFile'>): Record<string, string> {
  return defined({ SSL_CERT_FILE: c.caFile })
}
