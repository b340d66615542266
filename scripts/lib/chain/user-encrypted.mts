import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { getBytes, keccak256 } from 'ethers'

const NONCE_BYTES = 12
const TAG_BYTES = 16

/** What only the owner can read again: `nonce (12) | text | tag (16)`, AES-256-GCM. */
export function encryptForUser(
  signature: string,
  text: string,
  nonce: Uint8Array = randomBytes(NONCE_BYTES),
): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', userKey(signature), nonce)
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
}

/** @throws Error where the signature is another or the bytes were changed. */
export function decryptForUser(signature: string, bytes: Uint8Array): string {
  if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error('too short to be encrypted for a user')
  const end = bytes.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', userKey(signature), bytes.subarray(0, NONCE_BYTES))
  decipher.setAuthTag(bytes.subarray(end))
  return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, end)), decipher.final()]).toString('utf8')
}

/** @param signature of the token's decrypt message: 65 bytes as hex with 0x, of which all are hashed. */
export function userKey(signature: string): Uint8Array {
  const bytes = getBytes(signature)
  if (bytes.length !== 65) throw new Error(`a signature has 65 bytes, not ${bytes.length}`)
  return getBytes(keccak256(bytes))
}
