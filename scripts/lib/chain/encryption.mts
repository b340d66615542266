/** Encryption of texts that go on the chain, for a server or for the owner of a token. */
import { createCipheriv, randomBytes } from 'node:crypto'
import { encrypt } from 'eciesjs'
import { getBytes, keccak256 } from 'ethers'

const NONCE_BYTES = 12

/**
 * Encrypts the machine id of profile v0.2 for the holder of a secp256k1 private key. The library's defaults are the
 * format: ephemeral key (65) | nonce (16) | tag (16) | text, AES-256-GCM, with a key that HKDF-SHA256 derives from the
 * ephemeral and the shared point.
 * @param publicKey hex, compressed or not.
 */
export function encryptFor(publicKey: string, text: string): Uint8Array {
  return encrypt(publicKey, new TextEncoder().encode(text))
}

/** Encrypts for the owner alone: `nonce (12) | text | tag (16)`, AES-256-GCM. @param signature as in `userKey`. */
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
