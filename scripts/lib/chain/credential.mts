import { ProxmintError } from '../run/errors.mts'
import { credentialInterface, readView } from './contract.mts'
import { readTogether, TOKENS_AT_ONCE } from './credential-reader.mts'
import { isRevert, type Rpc, type RpcFault, refused } from './rpc.mts'

/** Token as the chain has it. */
export interface Credential {
  /** Decimal. */
  tokenId: string
  /** EIP-55. The owner can log in to the VM. */
  owner: string
  /** Unix seconds; 0: never. */
  expiresAt: number
}

/** Tokens that are read at the same time: RPC servers limit the requests of a client. */
const AT_ONCE = 16

/** Selector of the error for a token that does not exist, hex without 0x. */
const NONEXISTENT = credentialInterface.getError('ERC721NonexistentToken')!.selector.slice(2)

/** Reads a token. @throws ProxmintError if the contract has no such token. */
export async function readCredential(rpc: Rpc, contract: string, tokenId: string): Promise<Credential> {
  const owner = await readOwner(rpc, contract, tokenId)
  return withExpiry(rpc, contract, { tokenId, owner })
}

/** Reads the owner of a token, EIP-55. @throws ProxmintError if the contract has no such token. */
export async function readOwner(rpc: Rpc, contract: string, tokenId: string): Promise<string> {
  const owner = await ownerIfAny(rpc, contract, tokenId)
  if (owner !== undefined) return owner
  throw new ProxmintError(`token ${tokenId} does not exist on chain ${rpc.chainId}`, {
    facts: { contract },
    hint: 'check that it is the chain of the mint; a test chain that was started again has no old tokens',
  })
}

/**
 * Reads tokens by their id; undefined for a token that the contract does not have. Many tokens take one request. If the
 * server does not support that, or leaves a token out, each token takes two requests.
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

/** Reads tokens together, as many as the server answers. */
async function readMany(
  rpc: Rpc,
  contract: string,
  tokenIds: string[],
): Promise<Map<string, Credential | undefined>> {
  const found = new Map<string, Credential>()
  for (const some of groupsOf(TOKENS_AT_ONCE, tokenIds)) {
    const read = await readTogether(rpc, contract, some)
    // The server would not answer for the next tokens either.
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
  const owner = await ownerIfAny(rpc, contract, tokenId)
  return owner === undefined ? undefined : withExpiry(rpc, contract, { tokenId, owner })
}

async function withExpiry(
  rpc: Rpc,
  contract: string,
  token: Omit<Credential, 'expiresAt'>,
): Promise<Credential> {
  const { expiresAt } = await readAccessData(rpc, contract, token.tokenId)
  return { ...token, expiresAt }
}

async function ownerIfAny(rpc: Rpc, contract: string, tokenId: string): Promise<string | undefined> {
  const data = credentialInterface.encodeFunctionData('ownerOf', [tokenId])
  const answer = await rpc.ask<string>('eth_call', [{ to: contract, data }, 'latest'])
  if ('fault' in answer) {
    if (await isUnknown(rpc, contract, tokenId, answer.fault)) return undefined
    throw refused('eth_call', answer.fault)
  }
  return credentialInterface.decodeFunctionResult('ownerOf', answer.result)[0]
}

/**
 * Checks whether a token was never minted. A revert alone proves nothing: servers that lack a block say that word, too. Ids
 * are counted up from 0 and no token is burned, so the number of tokens decides.
 */
async function isUnknown(rpc: Rpc, contract: string, tokenId: string, fault: RpcFault): Promise<boolean> {
  if (!isRevert(fault)) return false
  if (String(fault.data).includes(NONEXISTENT)) return true
  return BigInt(tokenId) >= (await readView<bigint>(rpc, contract, 'totalSupply'))
}

/** Text that only the owner can decrypt, and the message that they sign for the key. */
interface AccessData {
  /** Hex with 0x. */
  userEncrypted: string
  decryptMessage: string
  /** Unix seconds; 0: never. */
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
