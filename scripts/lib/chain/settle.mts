import { setTimeout as sleep } from 'node:timers/promises'
import { checkpoint } from '../run/checkpoint.mts'
import { interrupted, ProxmintError } from '../run/errors.mts'
import type { StoredTransaction } from './journal.mts'
import type { Receipt } from './receipt.mts'
import { broadcast, bump, isKnown, type Sending, transactionCount } from './submit.mts'

export interface Settling extends Sending {
  /** Blocks that must hold a transaction, its own included. */
  confirmations: number
  /** How long the last attempt may wait until it is sent again with higher fees. */
  stuckMs: number
  /** Until the run gives up; what is signed stays signed. */
  timeoutMs: number
  /** Between two looks. */
  pollMs: number
  signal?: AbortSignal | undefined
}

/** A transaction with enough confirmations, or one that can never have them, with all attempts that were looked for. */
interface Outcome {
  transaction: StoredTransaction
  /** Undefined where another transaction took its nonce. */
  receipt: Receipt | undefined
}

/** With higher fees so often at most: about five times the first fee. */
const MOST_ATTEMPTS = 8
/** A server behind others may not know a receipt yet. For so many blocks in a row it must be missing to be believed. */
const MISSING_LOOKS = 5
/** Some servers keep receipts no longer: one that is missing then proves nothing. */
const RECEIPTS_KEPT_MS = 24 * 3_600_000

/**
 * Waits until each transaction has its confirmations. Its receipt is read anew at each look: after a reorganisation it
 * is another or none, and then the transaction is sent again. One that was certain before has its receipt from the
 * journal where no server keeps it any more.
 * @throws ProxmintError when it takes longer than `timeoutMs`; nothing is lost then. And for one of which nobody can
 * tell any more whether it was mined.
 */
export async function settle(settling: Settling, transactions: StoredTransaction[]): Promise<Outcome[]> {
  const deadline = Date.now() + settling.timeoutMs
  const waits: Wait[] = transactions.map(transaction => ({ transaction, missing: 0, outcome: undefined }))
  let looked: number | undefined
  for (;;) {
    const head = Number(await settling.rpc.call<string>('eth_blockNumber'))
    const open = waits.filter(({ outcome }) => outcome === undefined)
    // Nothing changes between two blocks.
    if (head !== looked) await Promise.all(open.map(wait => look(settling, wait, head)))
    looked = head
    const waiting = open.find(({ outcome }) => outcome === undefined)
    if (waiting === undefined) return waits.map(({ outcome }) => outcome!)
    if (Date.now() > deadline) throw await tooLong(settling, waiting.transaction)
    await pause(settling)
  }
}

interface Wait {
  transaction: StoredTransaction
  /** Looks in a row without a receipt although its nonce is used. */
  missing: number
  outcome: Outcome | undefined
}

async function look(settling: Settling, wait: Wait, head: number): Promise<void> {
  const { transaction } = wait
  const receipt = await receiptOf(settling, transaction)
  if (receipt !== undefined) {
    wait.missing = 0
    checkpoint('mint-mined')
    if (head - Number(receipt.blockNumber) + 1 >= settling.confirmations)
      wait.outcome = { transaction, receipt }
    return
  }
  wait.missing = (await isNonceUsed(settling, transaction, head)) ? wait.missing + 1 : 0
  if (wait.missing === 0) wait.transaction = await pushOn(settling, transaction)
  else if (transaction.receipt !== undefined) wait.outcome = { transaction, receipt: transaction.receipt }
  else if (wait.missing >= MISSING_LOOKS) wait.outcome = replaced(transaction)
}

/** @throws ProxmintError where it may have been mined all the same: it must not be signed anew. */
function replaced(transaction: StoredTransaction): Outcome {
  const { key, what, attempts, settled } = transaction
  const { hash, signedAt } = attempts.at(-1)!
  const isOld = Date.now() - Date.parse(signedAt) > RECEIPTS_KEPT_MS
  if (!isOld && settled === undefined) return { transaction, receipt: undefined }
  throw new ProxmintError(`no RPC server keeps the receipt of ${what} any more`, {
    facts: { transaction: hash, 'signed at': signedAt, record: key },
    hint: 'nothing was signed anew, since it may have been mined: set an rpc_url in config/web3-defaults.yaml that keeps old receipts (an archive), and run it again; docs/access.md, "Minted once"',
  })
}

/** Of whichever attempt was mined. */
async function receiptOf({ rpc }: Settling, { attempts }: StoredTransaction): Promise<Receipt | undefined> {
  for (const { hash } of attempts.toReversed()) {
    const receipt = await rpc.call<Receipt | null>('eth_getTransactionReceipt', [hash])
    if (receipt !== null) return receipt
  }
  return undefined
}

/** Whether the signer's nonce is taken for good: by one of the attempts, or by a transaction of somebody else's. */
async function isNonceUsed(
  { rpc, confirmations }: Settling,
  { from, nonce }: StoredTransaction,
  head: number,
): Promise<boolean> {
  const certain = Math.max(0, head - confirmations + 1)
  return (await transactionCount(rpc, from, `0x${certain.toString(16)}`)) > nonce
}

async function pushOn(settling: Settling, transaction: StoredTransaction): Promise<StoredTransaction> {
  const { attempts, from, nonce } = transaction
  if (!(await isKnown(settling.rpc, transaction))) await broadcast(settling.rpc, transaction)
  const waitedMs = Date.now() - Date.parse(attempts.at(-1)!.signedAt)
  if (waitedMs < settling.stuckMs || attempts.length >= MOST_ATTEMPTS) return transaction
  // Higher fees help only the first of a signer's transactions; the others wait for it.
  const isFirst = (await transactionCount(settling.rpc, from, 'latest')) === nonce
  return isFirst ? bump(settling, transaction) : transaction
}

async function pause({ pollMs, signal }: Settling): Promise<void> {
  await sleep(pollMs, undefined, signal === undefined ? {} : { signal }).catch(() => {
    throw interrupted('the transaction is signed and kept; the same command goes on with it')
  })
}

async function tooLong(
  { rpc, timeoutMs }: Settling,
  { what, from, nonce, attempts }: StoredTransaction,
): Promise<ProxmintError> {
  const next = await transactionCount(rpc, from, 'latest')
  return new ProxmintError(`not mined or not confirmed after ${Math.round(timeoutMs / 1000)} s: ${what}`, {
    facts: {
      transaction: attempts.at(-1)!.hash,
      nonce,
      'next nonce of the chain': next,
      'tried with higher fees': attempts.length - 1,
    },
    hint: 'it is signed and kept, and may be mined at any time: the same command goes on with it',
  })
}
