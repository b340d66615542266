import { say } from '../run/progress.mts'
import { registerSecret } from '../run/redact.mts'
import { type Credentials, checkedCredentials } from './credentials.mts'
import { decryptFile } from './sops.mts'
import { environmentSource, fileSource, SECRET_KEYS, type Source } from './source.mts'

/** Path of the encrypted credentials, from the project's root. */
export const CREDENTIALS_FILE = 'secrets/proxmox-creds.enc.yaml'

/**
 * Loads the credentials: from the environment if PROXMOX_URL, PROXMOX_USERNAME or PROXMOX_TOKEN is set (direnv),
 * otherwise from the SOPS file. Registers their secret values with `registerSecret`.
 * @throws ProxmintError (denied) If there are none or they cannot be decrypted; (invalid) with every fault and its fix.
 */
export async function loadCredentials(): Promise<Credentials> {
  const { credentials, warnings } = checkedCredentials(await credentialsSource())
  for (const warning of warnings) say(`warning: ${warning}`)
  return credentials
}

async function credentialsSource(): Promise<Source> {
  const named = ['PROXMOX_URL', 'PROXMOX_USERNAME', 'PROXMOX_TOKEN'].some(name => Boolean(process.env[name]))
  if (!named) return encryptedSource()
  const source = environmentSource(process.env)
  registerSecrets(source)
  return source
}

/** Decrypts the SOPS file and ignores the environment. */
export async function encryptedSource(): Promise<Source> {
  const path = process.env['PROXMINT_CREDENTIALS'] ?? CREDENTIALS_FILE
  const source = fileSource(path, await decryptFile(path, SECRET_KEYS))
  registerSecrets(source)
  return source
}

/** Registers the secrets before the checks, so that no error message can show one. */
function registerSecrets({ names, values }: Source): void {
  for (const field of ['tokenSecret', 'password', 'sshPrivateKey'] as const) {
    const value = values[names[field]] ?? values[field]
    if (typeof value === 'string') registerSecret(value)
  }
  // A password in the URL is a fault, which is reported without it.
  const [, password] =
    /^\w+:\/\/[^/@]*:([^/@]+)@/.exec(String(values[names.url] ?? values['url'] ?? '')) ?? []
  if (password !== undefined) registerSecret(password)
}
