import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ifThere } from '../run/if-there.mts'
import { VM_OPTIONS } from './vm-options.mts'

/** Public SSH key of the person who runs the command. */
export interface OwnSshKey {
  /** `ssh-ed25519 AAAA... me@laptop`. */
  publicKey: string
  /** Path for a person: `~/.ssh/id_ed25519.pub`. */
  file: string
}

/** Names that `ssh` tries by itself, the best one first. */
const NAMES = ['id_ed25519', 'id_ecdsa', 'id_rsa']

/** Finds the first public key in `~/.ssh`; undefined if there is none. A file with anything else is passed over. */
export async function findOwnSshKey(home = homedir()): Promise<OwnSshKey | undefined> {
  const isKey = new RegExp(VM_OPTIONS.sshAuthorizedKeys.pattern)
  for (const name of NAMES) {
    const text = await ifThere(readFile(join(home, '.ssh', `${name}.pub`), 'utf8'))
    const publicKey = text?.trim()
    if (publicKey !== undefined && isKey.test(publicKey)) return { publicKey, file: `~/.ssh/${name}.pub` }
  }
  return undefined
}

/** Fingerprint of a public key as OpenSSH prints it: `SHA256:...`. */
export function fingerprintOf(publicKey: string): string {
  const blob = Buffer.from(publicKey.split(' ')[1] ?? '', 'base64')
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
}
