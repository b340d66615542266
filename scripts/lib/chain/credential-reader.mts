import { readFile } from 'node:fs/promises'
import { AbiCoder, getAddress, toBeHex } from 'ethers'
import type { ContractBuild } from './contract.mts'
import type { Rpc } from './rpc.mts'

/** Answer of the reader for one token. */
interface ReadFacts {
  /** EIP-55. */
  owner: string
  /** Unix seconds; 0: never. */
  expiresAt: number
}

/** Limited by the length of an answer, 24,576 bytes as for the code of a contract. 200 tokens take about 9 million gas. */
export const TOKENS_AT_ONCE = 200

const BUILD_FILE = new URL('../../../contracts/build/CredentialReader.json', import.meta.url)
const coder = AbiCoder.defaultAbiCoder()

/**
 * Reads up to `TOKENS_AT_ONCE` tokens with one request: the server runs a contract that is on no chain
 * (contracts/CredentialReader.sol).
 * @returns answers by token id; undefined if the server does not run such a contract. A missing token may exist, because
 *   the server may stop early.
 */
export async function readTogether(
  rpc: Rpc,
  contract: string,
  tokenIds: string[],
): Promise<Map<string, ReadFacts> | undefined> {
  const { bytecode } = JSON.parse(await readFile(BUILD_FILE, 'utf8')) as ContractBuild
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

/** Numbers of an answer; undefined if it is not an answer of the reader. */
function factsIn(result: string): bigint[] | undefined {
  try {
    return [...(coder.decode(['uint256[]'], result)[0] as Iterable<bigint>)]
  } catch {
    return undefined
  }
}
