/** The keys of the node's SSH, made once for each state folder. */

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import ssh2 from 'ssh2'

interface KeyPair {
  /** PEM, as OpenSSH writes it. */
  privateKey: string
  /** `ssh-ed25519 AAAA...`, one line as in `authorized_keys`. */
  publicKey: string
}

export interface NodeKeys {
  host: KeyPair
  /** Logs in as root. */
  client: KeyPair
  /** Absolute; what `ssh -i` takes. */
  clientKeyFile: string
}

/** Host and client key below `folder`. What is there is taken up, so that clients know the node again. */
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
  const known = await readFile(path, 'utf8').catch(unlessAbsent)
  if (known !== undefined) return keyPairOf(known)
  const { private: privateKey, public: publicKey } = generateKeyPair(comment)
  await writeFile(`${path}.pub`, `${publicKey}\n`)
  // Whole or not at all: a key that was cut off would refuse every later start.
  await writeFile(`${path}.new`, privateKey, { mode: 0o600 })
  await rename(`${path}.new`, path)
  return keyPairOf(privateKey)
}

/** Like that of ssh2, of whose keys one in 250 is malformed: such a one would keep the lab from ever starting. */
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

function unlessAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
