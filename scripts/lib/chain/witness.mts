/** Proof that a token is the one of a mint: the receipt came from one server, which may lie about the id. */
import { setTimeout as sleep } from 'node:timers/promises'
import { interrupted, messageOf, ProxmintError } from '../run/errors.mts'
import { say } from '../run/progress.mts'
import { readAccessData, readOwner } from './credential.mts'
import type { Rpc } from './rpc.mts'
import type { Settling } from './settle.mts'

/** Token id that a receipt named. */
interface ClaimedToken {
  contract: string
  tokenId: string
  /** EIP-55. */
  wallet: string
  machineId: string
  /** Random text of the transaction that minted the token. No other token has it, and nothing changes it. */
  decryptMessage: string
}

/** A server that lags behind gets this long to see the block of the mint. */
const PATIENCE_MS = 60_000

/**
 * Asks the servers, each alone, for the token. It must exist and hold the text of the mint. If several servers are
 * configured, two must agree.
 * @throws ProxmintError if a server has another token under this id, or too few servers answer.
 */
export async function requireMintedToken(settling: Settling, claimed: ClaimedToken): Promise<void> {
  const answers = await Promise.allSettled(settling.witnesses.map(rpc => confirm(settling, rpc, claimed)))
  const failures = answers.flatMap(answer => (answer.status === 'rejected' ? [answer.reason as unknown] : []))
  const contradiction = failures.find(failure => failure instanceof Contradiction)
  if (contradiction instanceof Contradiction) throw forged(claimed, contradiction.found)
  const confirmed = answers.length - failures.length
  if (confirmed < Math.min(2, settling.witnesses.length)) throw unconfirmed(claimed, confirmed, failures)
}

/** Answer of a server that has another token under the id. */
class Contradiction extends Error {
  found: string

  constructor(found: string) {
    super(found)
    this.found = found
  }
}

async function confirm(settling: Settling, rpc: Rpc, claimed: ClaimedToken): Promise<void> {
  const deadline = Date.now() + Math.min(PATIENCE_MS, settling.timeoutMs)
  for (;;) {
    try {
      return await compare(rpc, claimed)
    } catch (error) {
      if (error instanceof Contradiction || Date.now() > deadline) throw error
    }
    await sleep(settling.pollMs)
    if (settling.signal?.aborted) throw interrupted('the token is minted; the same command continues with it')
  }
}

async function compare(rpc: Rpc, { contract, tokenId, wallet, decryptMessage }: ClaimedToken): Promise<void> {
  const owner = await readOwner(rpc, contract, tokenId)
  const { decryptMessage: found } = await readAccessData(rpc, contract, tokenId)
  if (found !== decryptMessage) throw new Contradiction(`a token of ${owner} with another text`)
  if (owner !== wallet)
    say(`warning: token ${tokenId} was transferred to ${owner}, who opens the machine now`)
}

function forged({ tokenId, machineId, contract }: ClaimedToken, found: string): ProxmintError {
  return new ProxmintError(`token ${tokenId} is not the one that was minted for ${machineId}`, {
    facts: { contract, 'on the chain': found },
    hint:
      'an RPC server answered wrong, and nobody got access by it: set rpc_url in config/web3-defaults.yaml to servers you ' +
      'trust, at least two, and look the transaction up in a block explorer',
  })
}

function unconfirmed(
  { tokenId, machineId, contract }: ClaimedToken,
  confirmed: number,
  failures: unknown[],
): ProxmintError {
  return new ProxmintError(`token ${tokenId} of ${machineId} is minted, but too few RPC servers confirm it`, {
    facts: { contract, confirmed, why: [...new Set(failures.map(messageOf))].join('; ') },
    hint: 'the mint is kept: run the same command again when the servers of rpc_url answer, or name others',
  })
}
