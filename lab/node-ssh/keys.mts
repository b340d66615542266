/** Keys of the node's SSH, made once for each state folder, and how a client logs in with them. */

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import { unlessMissing } from '../core/files.mts'

/** SSH access to the node. */
export interface NodeSshAccess {
  host: string
  port: number
  user: 'root'
  /** Absolute path. Only the lab's owner can read the file. */
  privateKeyFile: string
  /** `ssh-ed25519 AAAA...`, as in `known_hosts`. */
  hostKey: string
}

/**
 * Returns the variables by which the bpg/proxmox provider logs in. It learns the node's address from the API or from
 * its own config.
 */
export function sshVariables(privateKey: string): Record<string, string> {
  return {
    PROXMOX_VE_SSH_USERNAME: 'root',
    PROXMOX_VE_SSH_PRIVATE_KEY: privateKey,
  }
}

interface KeyPair {
  /** PEM text as OpenSSH writes it. */
  privateKey: string
  /** `ssh-ed25519 AAAA...`, one line as in `authorized_keys`. */
  publicKey: string
}

export interface NodeKeys {
  host: KeyPair
  /** Key that logs in as root. */
  client: KeyPair
  /** Absolute path for `ssh -i`. */
  clientKeyFile: string
}

/** Reads host and client key below `folder`, or makes them. Clients of an earlier lab then still know the node. */
export async function ensureNodeKeys(folder: string): Promise<NodeKeys> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const clientKeyFile = join(folder, 'client_ed25519')
  return {
    host: await ensureKey(join(folder, 'host_ed25519'), 'pve'),
    client: await ensureKey(clientKeyFile, 'proxmint-lab'),
    clientKeyFile,
  }
}

async function ensureKey(path: string, comment: string): Promise<KeyPair> {
  const known = await readFile(path, 'utf8').catch(unlessMissing)
  if (known !== undefined) return keyPairOf(known)
  const { private: privateKey, public: publicKey } = generateKeyPair(comment)
  await writeFile(`${path}.pub`, `${publicKey}\n`)
  // Rename makes it whole or missing. Half a key would break every later start.
  await writeFile(`${path}.new`, privateKey, { mode: 0o600 })
  await rename(`${path}.new`, path)
  return keyPairOf(privateKey)
}

/** Makes a key pair that ssh2 can read. About one in 250 keys of its own generator is malformed. */
export function generateKeyPair(comment: string): { private: string; public: string } {
  for (;;) {
    const made = ssh2.utils.generateKeyPairSync('ed25519', { comment })
    if (!(ssh2.utils.parseKey(made.private) instanceof Error)) return made
  }
}

function keyPairOf(privateKey: string): KeyPair {
  const key = ssh2.utils.parseKey(privateKey)
  if (key instanceof Error) throw key
  return { privateKey, publicKey: `${key.type} ${key.getPublicSSH().toString('base64')}` }
}
