import { createCipheriv, randomBytes } from 'node:crypto'
import { getBytes, keccak256 } from 'ethers'

const NONCE_BYTES = 12

/** Encrypts for the owner alone: `nonce (12) | text | tag (16)`, AES-256-GCM. */
export function encryptForUser(
  signature: string,
  text: string,
  nonce: Uint8Array = randomBytes(NONCE_BYTES),
): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', userKey(signature), nonce)
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
}

/** Derives the key. @param signature of the token's decrypt message: 65 bytes as hex with 0x, of which all are hashed. */
export function userKey(signature: string): Uint8Array {
  const bytes = getBytes(signature)
  if (bytes.length !== 65) throw new Error(`a signature has 65 bytes, not ${bytes.length}`)
  return getBytes(keccak256(bytes))
}
