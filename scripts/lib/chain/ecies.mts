import { encrypt } from 'eciesjs'

/*
 * The library's defaults are the format: ephemeral key (65) | nonce (16) | tag (16) | text, AES-256-GCM with a key
 * that HKDF-SHA256 makes of the ephemeral and the shared point. The vector in the tests holds it to that.
 */

/**
 * Encrypts for whoever holds the private half of a secp256k1 key: the machine id of profile v0.2.
 * @param publicKey hex, compressed or not.
 */
export function encryptFor(publicKey: string, text: string): Uint8Array {
  return encrypt(publicKey, new TextEncoder().encode(text))
}
