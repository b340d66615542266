import { ProxmintError } from '../run/errors.mts'
import { credentialInterface } from './contract.mts'
import { readTogether, TOKENS_AT_ONCE } from './credential-reader.mts'
import { isRevert, type Rpc, refused } from './rpc.mts'

/** What the chain says of a token. */
export interface Credential {
  /** Decimal. */
  tokenId: string
  /** EIP-55. Whoever this is opens the VM. */
  owner: string
  /** Unix seconds; 0 is never. */
  expiresAt: number
}

/** So many at a time: RPC servers limit what one client may ask at once. */
const AT_ONCE = 16

/** Reads one token. @throws ProxmintError where the contract has no such token. */
export async function readCredential(rpc: Rpc, contract: string, tokenId: string): Promise<Credential> {
  const credential = await credentialIfAny(rpc, contract, tokenId)
  if (credential !== undefined) return credential
  throw new ProxmintError(`token ${tokenId} does not exist on chain ${rpc.chainId}`, {
    facts: { contract },
    hint: 'is it the chain the token was minted on? A test chain that is made anew knows nothing of the old one',
  })
}

/**
 * Reads tokens by their id; undefined for one that the contract does not have. One request for many of them, and where
 * a server does not take that, or is silent about a token, two for each.
 */
export async function readCredentials(
  rpc: Rpc,
  contract: string,
  tokenIds: string[],
): Promise<Map<string, Credential | undefined>> {
  const found = tokenIds.length > 1 ? await readMany(rpc, contract, tokenIds) : new Map()
  const rest = tokenIds.filter(tokenId => !found.has(tokenId))
  for (const some of groupsOf(AT_ONCE, rest)) {
    const read = await Promise.all(some.map(tokenId => credentialIfAny(rpc, contract, tokenId)))
    for (const [index, tokenId] of some.entries()) found.set(tokenId, read[index])
  }
  return found
}

/** Those that can be read together. */
async function readMany(
  rpc: Rpc,
  contract: string,
  tokenIds: string[],
): Promise<Map<string, Credential | undefined>> {
  const found = new Map<string, Credential>()
  for (const some of groupsOf(TOKENS_AT_ONCE, tokenIds)) {
    const read = await readTogether(rpc, contract, some)
    // It would take the next ones no better.
    if (read === undefined) break
    for (const [tokenId, facts] of read) found.set(tokenId, { tokenId, ...facts })
  }
  return found
}

function groupsOf<T>(size: number, items: T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  )
}

async function credentialIfAny(rpc: Rpc, contract: string, tokenId: string): Promise<Credential | undefined> {
  const data = credentialInterface.encodeFunctionData('ownerOf', [tokenId])
  const answer = await rpc.ask<string>('eth_call', [{ to: contract, data }, 'latest'])
  if ('fault' in answer) {
    // Nobody owns it, since it was never minted.
    if (isRevert(answer.fault)) return undefined
    throw refused('eth_call', answer.fault)
  }
  const [owner] = credentialInterface.decodeFunctionResult('ownerOf', answer.result)
  const { expiresAt } = await readAccessData(rpc, contract, tokenId)
  return { tokenId, owner, expiresAt }
}

/** What only the owner can read, and what they sign for that. */
interface AccessData {
  /** Hex with 0x. */
  userEncrypted: string
  decryptMessage: string
  /** Unix seconds; 0 is never. */
  expiresAt: number
}

export async function readAccessData(rpc: Rpc, contract: string, tokenId: string): Promise<AccessData> {
  const data = credentialInterface.encodeFunctionData('getAccessData', [tokenId])
  const answer = await rpc.call<string>('eth_call', [{ to: contract, data }, 'latest'])
  const [userEncrypted, decryptMessage, , expiresAt] = credentialInterface.decodeFunctionResult(
    'getAccessData',
    answer,
  )
  return { userEncrypted, decryptMessage, expiresAt: Number(expiresAt) }
}
