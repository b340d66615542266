import { ProxmintError } from '../run/errors.mts'
import type { StoredTransaction } from './journal.mts'
import { type Receipt, type Settling, settle } from './settle.mts'
import { type Intent, submit } from './submit.mts'

/** Nobody else should sign with this key; who does so again and again is told. */
const MOST_REPLACEMENTS = 3

/**
 * Sends each transaction exactly once, whatever was begun before, and waits until it is certain.
 * @returns the receipts, one per intent; each has succeeded.
 * @throws ProxmintError for one that was mined and reverted; the same command sends a new one then.
 */
export async function execute(settling: Settling, intents: Intent[]): Promise<Receipt[]> {
  const receipts = new Map<string, Receipt>()
  for (let round = 0; round <= MOST_REPLACEMENTS; round += 1) {
    const open = intents.filter(({ key }) => !receipts.has(key))
    if (open.length === 0) break
    const stored = await submit(settling, open)
    const outcomes = await settle(settling, stored)
    for (const [index, { key }] of open.entries()) {
      const outcome = outcomes[index]!
      if ('receipt' in outcome) receipts.set(key, await record(settling, stored[index]!, outcome.receipt))
      else await settling.journal.drop(stored[index]!)
    }
  }
  return intents.map(
    ({ key, what }) => receipts.get(key) ?? raise(replacedTooOften(what, settling.signer.address)),
  )
}

async function record({ journal }: Settling, stored: StoredTransaction, receipt: Receipt): Promise<Receipt> {
  // With the attempts a bump added meanwhile.
  const transaction = (await journal.get(stored.key)) ?? stored
  if (BigInt(receipt.status) === 1n) {
    await journal.settle(transaction)
    return receipt
  }
  await journal.drop(transaction)
  throw new ProxmintError(`the contract reverted: ${stored.what}`, {
    facts: { transaction: receipt.transactionHash, block: Number(receipt.blockNumber) },
    hint: 'nothing was minted, only gas was spent; the same command tries again',
  })
}

function replacedTooOften(what: string, signer: string): ProxmintError {
  return new ProxmintError(`another transaction took its nonce again and again: ${what}`, {
    hint: `somebody else signs with ${signer}: give proxmint a key of its own`,
  })
}

function raise(error: Error): never {
  throw error
}
