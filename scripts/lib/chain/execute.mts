import { ProxmintError } from '../run/errors.mts'
import type { Journal, StoredTransaction } from './journal.mts'
import { keptReceipt, type Receipt } from './receipt.mts'
import { type Settling, settle } from './settle.mts'
import { submit, type WantedTransaction } from './submit.mts'

/** Rounds after the first. Only a transaction that somebody else signs with the signer's key needs another round. */
const MOST_REPLACEMENTS = 3

/**
 * Sends each transaction exactly once, also after an interrupted run, and waits for its confirmations.
 * @returns the receipts, one per intent; each has succeeded.
 * @throws ProxmintError if a transaction was mined and reverted; the same command sends a new one then.
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
  return intents.map(({ key, what }) => {
    const receipt = receipts.get(key)
    if (receipt !== undefined) return receipt
    throw new ProxmintError(`another transaction took the nonce each time: ${what}`, {
      hint: `somebody else signs with ${settling.signer.address}: give proxmint a key of its own`,
    })
  })
}

async function record({ journal }: Settling, stored: StoredTransaction, receipt: Receipt): Promise<Receipt> {
  if (BigInt(receipt.status) === 1n) {
    await changeOwn(journal, stored, current =>
      journal.settle({ ...(current ?? stored), receipt: keptReceipt(receipt) }, current),
    )
    return receipt
  }
  await changeOwn(journal, stored, async current => {
    // Another run may have seen it succeed, after a reorganisation.
    return current === undefined || current.settled !== stored.settled || (await journal.drop(current))
  })
  throw new ProxmintError(`the contract reverted: ${stored.what}`, {
    facts: { transaction: receipt.transactionHash, block: Number(receipt.blockNumber) },
    hint: 'nothing was minted, but gas was spent; run the same command again',
  })
}

/**
 * Changes a transaction as it is in the journal now: a bump of another run may have added attempts. One with another
 * nonce stays: another run signed it anew.
 * @param change gets it, undefined if it was dropped; returns false if it was changed since it was read.
 */
async function changeOwn(
  journal: Journal,
  { key, nonce }: StoredTransaction,
  change: (current: StoredTransaction | undefined) => Promise<boolean>,
): Promise<void> {
  for (;;) {
    const current = await journal.get(key)
    if ((current !== undefined && current.nonce !== nonce) || (await change(current))) return
  }
}

/** Drops a replaced transaction, unless another run added an attempt or dropped it: the next round waits for that one. */
async function giveUp({ journal, signer }: Settling, replaced: StoredTransaction): Promise<void> {
  await journal.whileSigning(signer.address, async () => {
    const current = await journal.get(replaced.key)
    if (current !== undefined && isAsRead(current, replaced)) await journal.drop(current)
  })
}

function isAsRead(current: StoredTransaction, before: StoredTransaction): boolean {
  return (
    current.nonce === before.nonce &&
    current.attempts.length === before.attempts.length &&
    current.settled === before.settled
  )
}
