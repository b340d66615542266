import { ProxmintError } from '../run/errors.mts'
import type { StoredTransaction } from './journal.mts'
import { keptReceipt, type Receipt } from './receipt.mts'
import { type Settling, settle } from './settle.mts'
import { submit, type WantedTransaction } from './submit.mts'

/** Nobody else should sign with this key; who does so again and again is told. */
const MOST_REPLACEMENTS = 3

/**
 * Sends each transaction exactly once, whatever was begun before, and waits until it is certain.
 * @returns the receipts, one per intent; each has succeeded.
 * @throws ProxmintError for one that was mined and reverted; the same command sends a new one then.
 */
export async function execute(settling: Settling, intents: WantedTransaction[]): Promise<Receipt[]> {
  const receipts = new Map<string, Receipt>()
  for (let round = 0; round <= MOST_REPLACEMENTS; round += 1) {
    const open = intents.filter(({ key }) => !receipts.has(key))
    if (open.length === 0) break
    const outcomes = await settle(settling, await submit(settling, open))
    for (const [index, { key }] of open.entries()) {
      const { transaction, receipt } = outcomes[index]!
      if (receipt === undefined) await giveUp(settling, transaction)
      else receipts.set(key, await record(settling, transaction, receipt))
    }
  }
  return intents.map(
    ({ key, what }) => receipts.get(key) ?? raise(replacedTooOften(what, settling.signer.address)),
  )
}

async function record({ journal }: Settling, stored: StoredTransaction, receipt: Receipt): Promise<Receipt> {
  if (BigInt(receipt.status) === 1n) {
    const current = await journal.get(stored.key)
    // With the attempts a bump added meanwhile.
    const transaction = current?.nonce === stored.nonce ? current : stored
    await journal.settle({ ...transaction, receipt: keptReceipt(receipt) })
    return receipt
  }
  await journal.drop(stored)
  throw new ProxmintError(`the contract reverted: ${stored.what}`, {
    facts: { transaction: receipt.transactionHash, block: Number(receipt.blockNumber) },
    hint: 'nothing was minted, only gas was spent; the same command tries again',
  })
}

/** Unless another run has sent more for it meanwhile, or seen it mined: the next round waits for that. */
async function giveUp({ journal, signer }: Settling, replaced: StoredTransaction): Promise<void> {
  await journal.whileSigning(signer.address, async () => {
    const current = await journal.get(replaced.key)
    if (current?.attempts.length === replaced.attempts.length) await journal.drop(replaced)
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
