/** Reads and signs as the owner of a token does: the other side of what scripts/lib/chain writes. */
import { createDecipheriv } from 'node:crypto'
import { decrypt } from 'eciesjs'
import { userKey } from '../../../scripts/lib/chain/encryption.mts'

const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Decrypts the machine id of profile v0.2. @throws Error if the key is another or the bytes were changed. */
export function decryptWith(privateKey: string, bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(decrypt(privateKey, bytes))
}

/** Decrypts what was encrypted for the owner. @throws Error if the signature is another or the bytes were changed. */
export function decryptForUser(signature: string, bytes: Uint8Array): string {
  if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error('too short to be encrypted for a user')
  const end = bytes.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', userKey(signature), bytes.subarray(0, NONCE_BYTES))
  decipher.setAuthTag(bytes.subarray(end))
  return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, end)), decipher.final()]).toString('utf8')
}

/** Writes the text that the owner signs (EIP-191) to log in. @param code as the VM shows it. */
export function otpText(machineId: string, code: string): string {
  return `Authenticate to ${machineId} with code: ${code}`
}
