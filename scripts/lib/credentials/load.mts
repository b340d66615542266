import { registerSecret } from '../run/redact.mts'
import { type Credentials, checkedCredentials } from './credentials.mts'
import { decryptFile } from './sops.mts'
import { environmentSource, fileSource, type Source } from './source.mts'

/** Where the encrypted credentials stand, from the project's root. */
export const credentialsFile = 'secrets/proxmox-creds.enc.yaml'

/**
 * The credentials of this run: from a direnv shell's environment where PROXMOX_URL, PROXMOX_USERNAME or
 * PROXMOX_TOKEN is set, otherwise from the SOPS file. Their secret values are unprintable from here on.
 * @throws ProxmintError (denied: none or not decryptable; invalid: with every fault and its fix).
 */
export async function loadCredentials(env: NodeJS.ProcessEnv = process.env): Promise<Credentials> {
  const { credentials, warnings } = checkedCredentials(await credentialsSource(env))
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`)
  return credentials
}

async function credentialsSource(env: NodeJS.ProcessEnv): Promise<Source> {
  const named = ['PROXMOX_URL', 'PROXMOX_USERNAME', 'PROXMOX_TOKEN'].some(name => (env[name] ?? '') !== '')
  if (!named) return encryptedSource(env)
  const source = environmentSource(env)
  registerSecrets(source)
  return source
}

/** The SOPS file alone, whatever the environment holds. */
export async function encryptedSource(env: NodeJS.ProcessEnv = process.env): Promise<Source> {
  const path = env['PROXMINT_CREDENTIALS'] ?? credentialsFile
  const source = fileSource(path, await decryptFile(path))
  registerSecrets(source)
  return source
}

/** Registered before the checks, so that not even a fault's message can show one. */
function registerSecrets({ names, values }: Source): void {
  for (const field of ['tokenSecret', 'password', 'sshPrivateKey'] as const) {
    const value = values[names[field]] ?? values[field]
    if (typeof value === 'string') registerSecret(value)
  }
}
