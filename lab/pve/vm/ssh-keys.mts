/** Checks public SSH keys as `ssh-keygen -l` does. */

import { failure } from '../core/errors.mts'

const TYPES = [
  ...['ssh-rsa', 'ssh-dss', 'ssh-ed25519', 'sk-ssh-ed25519@openssh.com', 'ecdsa-sha2-nistp256'],
  ...['ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'sk-ecdsa-sha2-nistp256@openssh.com'],
]

/** Number of parts of each key, after its type. */
const PARTS: Record<string, number> = { 'ssh-rsa': 2, 'ssh-dss': 4, 'ssh-ed25519': 1 }

/** Splits the binary form of a key into its parts, each with its length in front. Undefined if it is cut off. */
function partsOf(blob: Buffer): Buffer[] | undefined {
  const parts: Buffer[] = []
  for (let at = 0; at < blob.length; ) {
    const end = at + 4 + (at + 4 <= blob.length ? blob.readUInt32BE(at) : blob.length)
    if (end > blob.length) return undefined
    parts.push(blob.subarray(at + 4, end))
    at = end
  }
  return parts
}

function isKey(type: string, encoded: string): boolean {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return false
  const [name, ...rest] = partsOf(Buffer.from(encoded, 'base64')) ?? []
  if (name?.toString('latin1') !== type || rest.length === 0 || rest.some(part => part.length === 0))
    return false
  if (type === 'ssh-ed25519' && rest[0]!.length !== 32) return false
  return PARTS[type] === undefined || rest.length === PARTS[type]
}

/** Checks a line of an authorized_keys file. Options may stand in front of the type. */
function isKeyLine(line: string): boolean {
  const words = line.trim().split(/\s+/)
  const at = words.findIndex(word => TYPES.includes(word))
  return at >= 0 && isKey(words[at]!, words[at + 1] ?? '')
}

/** @param encoded keys, one per line, percent-encoded. @throws {ApiError} 500 as Proxmox answers to other texts. */
export function requireSshKeys(encoded: string | undefined): void {
  if (encoded === undefined) return
  const lines = decodeURIComponent(encoded.replace(/%(?![0-9a-f]{2})/gi, '%25')).split('\n')
  if (!lines.every(line => line.trim() === '' || isKeyLine(line)))
    throw failure('SSH public key validation error')
}
