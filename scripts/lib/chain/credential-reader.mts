import { readFile } from 'node:fs/promises'
import { AbiCoder, getAddress, toBeHex } from 'ethers'
import type { ContractBuild } from './contract.mts'
import type { Rpc } from './rpc.mts'

/** What the reader tells of a token. */
interface ReadFacts {
  /** EIP-55. */
  owner: string
  /** Unix seconds; 0 is never. */
  expiresAt: number
}

/** One answer is at most as long as the code of a contract, 24,576 bytes; these take about 9 million gas. */
export const TOKENS_AT_ONCE = 200

const buildFile = new URL('../../../contracts/build/CredentialReader.json', import.meta.url)
const coder = AbiCoder.defaultAbiCoder()

/**
 * Reads up to `TOKENS_AT_ONCE` tokens with one request: the server runs a contract that is on no chain
 * (contracts/CredentialReader.sol).
 * @returns what could be read, by token id. One that is left out may exist all the same, where the server stopped
 * early. Undefined where the server runs no such thing.
 */
export async function readTogether(
  rpc: Rpc,
  contract: string,
  tokenIds: string[],
): Promise<Map<string, ReadFacts> | undefined> {
  const { bytecode } = JSON.parse(await readFile(buildFile, 'utf8')) as ContractBuild
  const data = `${bytecode}${coder.encode(['address', 'uint256[]'], [contract, tokenIds]).slice(2)}`
  const answer = await rpc.ask<string>('eth_call', [{ data }, 'latest'])
  const facts = 'fault' in answer ? undefined : factsIn(answer.result)
  if (facts?.length !== 2 * tokenIds.length) return undefined
  const read = tokenIds.flatMap((tokenId, index): [string, ReadFacts][] => {
    const [owner, expiresAt] = [facts[2 * index]!, facts[2 * index + 1]!]
    if (owner === 0n) return []
    return [[tokenId, { owner: getAddress(toBeHex(owner, 20)), expiresAt: Number(expiresAt) }]]
  })
  return new Map(read)
}

/** Undefined for what the reader does not answer. */
function factsIn(result: string): bigint[] | undefined {
  try {
    return [...(coder.decode(['uint256[]'], result)[0] as Iterable<bigint>)]
  } catch {
    return undefined
  }
}
