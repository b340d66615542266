import { keccak256, toUtf8Bytes } from 'ethers'
import { credentialInterface } from './contract.mts'
import { readAccessData } from './credential.mts'
import { encryptForUser } from './encryption.mts'
import { execute } from './execute.mts'
import type { MintTarget } from './mint.mts'
import type { Settling } from './settle.mts'
import type { WantedTransaction } from './submit.mts'

/**
 * Sets the expiry of a token on the chain. Sends nothing if the chain has it already.
 * @param expiresAt Unix seconds.
 * @returns true if a transaction was sent.
 */
export async function updateExpiration(
  settling: Settling,
  { contract }: MintTarget,
  tokenId: string,
  expiresAt: number,
): Promise<boolean> {
  const { expiresAt: found } = await readAccessData(settling.rpc, contract, tokenId)
  if (found === expiresAt) return false
  await send(settling, contract, {
    key: `expiration-${tokenId}-${expiresAt}`,
    what: `the expiry of token ${tokenId}`,
    data: () => credentialInterface.encodeFunctionData('updateExpiration', [tokenId, expiresAt]),
  })
  return true
}

/**
 * Encrypts a text for the owner of a token and stores it on the chain.
 * @param signature of the token's decrypt message, from which the key is derived.
 */
export async function updateUserEncrypted(
  settling: Settling,
  { contract }: MintTarget,
  tokenId: string,
  { signature, text }: { signature: string; text: string },
): Promise<void> {
  const subject = keccak256(toUtf8Bytes(`${signature} ${text}`)).slice(2, 18)
  const encrypted = encryptForUser(signature, text)
  await send(settling, contract, {
    key: `user-${tokenId}-${subject}`,
    what: `the text of token ${tokenId} for its owner`,
    data: () => credentialInterface.encodeFunctionData('updateUserEncrypted', [tokenId, encrypted]),
  })
}

/** Offers the contract to another address, which has to accept it. Contracts of older versions change hands at once. */
export async function transferOwnership(settling: Settling, contract: string, to: string): Promise<void> {
  await send(settling, contract, {
    key: `owner-${to.slice(2)}`,
    what: `the hand-over of the contract to ${to}`,
    data: () => credentialInterface.encodeFunctionData('transferOwnership', [to]),
  })
}

/** Accepts the contract that was offered to the signer. From then on only the signer can mint. */
export async function acceptOwnership(settling: Settling, contract: string): Promise<void> {
  await send(settling, contract, {
    key: `owner-accept-${settling.signer.address.slice(2)}`,
    what: `accepting the contract as ${settling.signer.address}`,
    data: () => credentialInterface.encodeFunctionData('acceptOwnership'),
  })
}

/** Sends an update. An interrupted update continues; unlike a mint, a settled one may be sent again. */
async function send(
  settling: Settling,
  contract: string,
  { key, ...about }: Pick<WantedTransaction, 'key' | 'what' | 'data'>,
): Promise<void> {
  const own = `${contract.slice(2, 10).toLowerCase()}-${key}`
  const { journal } = settling
  const pending = await journal.listPending()
  const stored = await journal.get(own)
  if (stored !== undefined && pending.every(one => one.key !== own)) await journal.drop(stored)
  await execute(settling, [{ key: own, terms: {}, to: contract, ...about }])
}
