import { setTimeout as sleep } from 'node:timers/promises'
import { checkpoint } from '../run/checkpoint.mts'
import { interrupted, ProxmintError } from '../run/errors.mts'
import type { StoredTransaction } from './journal.mts'
import type { Receipt } from './receipt.mts'
import type { Rpc } from './rpc.mts'
import { broadcast, bump, isKnown, type Sending, transactionCount } from './submit.mts'

export interface Settling extends Sending {
  /** A client for each configured server alone: they confirm what one of them said. */
  witnesses: Rpc[]
  /** Blocks that must hold a transaction, its own included. */
  confirmations: number
  /** How long the last attempt may wait before it is sent again with higher fees. */
  stuckMs: number
  /** How long the run waits in all. Signed transactions stay in the journal. */
  timeoutMs: number
  /** Pause between two looks at the chain. */
  pollMs: number
  signal?: AbortSignal | undefined
}

/** Transaction with enough confirmations, or one that can never have them, with all attempts that were checked. */
interface Outcome {
  transaction: StoredTransaction
  /** Undefined if another transaction took the nonce. */
  receipt: Receipt | undefined
}

/** Most attempts of a transaction, each with higher fees: the last pays about five times the first fee. */
const MOST_ATTEMPTS = 8
/** Blocks in a row without a receipt before it counts as missing: a server that lags behind may not know it yet. */
const MISSING_LOOKS = 5
/** Some servers keep receipts only this long: later, a missing receipt proves nothing. */
const RECEIPTS_KEPT_MS = 24 * 3_600_000

/**
 * Waits until each transaction has its confirmations. Each look reads the receipt again: after a reorganisation it may be
 * another one or gone, and then the transaction is sent again. If no server keeps the receipt of a settled transaction,
 * the one of the journal counts.
 * @throws ProxmintError if it takes longer than `timeoutMs`; the transactions stay in the journal. Also if nobody can
 *   know any more whether a transaction was mined.
 */
export async function settle(settling: Settling, transactions: StoredTransaction[]): Promise<Outcome[]> {
  const deadline = Date.now() + settling.timeoutMs
  const waits: Wait[] = transactions.map(transaction => ({ transaction, missing: 0, outcome: undefined }))
  let looked: number | undefined
  for (;;) {
    const head = Number(await settling.rpc.call<string>('eth_blockNumber'))
    const open = waits.filter(({ outcome }) => outcome === undefined)
    // Between two blocks nothing changes.
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
  /** Looks in a row without a receipt, although the nonce is used. */
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

/** Outcome without a receipt. @throws ProxmintError if the transaction may have been mined: it must not be signed again. */
function replaced(transaction: StoredTransaction): Outcome {
  const { key, what, attempts, settled } = transaction
  const { hash, signedAt } = attempts.at(-1)!
  const isOld = Date.now() - Date.parse(signedAt) > RECEIPTS_KEPT_MS
  if (!isOld && settled === undefined) return { transaction, receipt: undefined }
  throw new ProxmintError(`no RPC server keeps the receipt of ${what} any more`, {
    facts: { transaction: hash, 'signed at': signedAt, record: key },
    hint: 'nothing was signed again, because it may have been mined: set an rpc_url in config/web3-defaults.yaml that keeps old receipts (an archive), and run the command again; docs/access.md, "Minted once"',
  })
}

/** Receipt of the attempt that was mined, if any. */
async function receiptOf({ rpc }: Settling, { attempts }: StoredTransaction): Promise<Receipt | undefined> {
  for (const { hash } of attempts.toReversed()) {
    const receipt = await rpc.call<Receipt | null>('eth_getTransactionReceipt', [hash])
    if (receipt !== null) return receipt
  }
  return undefined
}

/** Checks whether the nonce is used for good, by one of the attempts or by a foreign transaction. */
async function isNonceUsed(
  { rpc, confirmations }: Settling,
  { from, nonce }: StoredTransaction,
  head: number,
): Promise<boolean> {
  const certain = Math.max(0, head - confirmations + 1)
  return (await transactionCount(rpc, from, `0x${certain.toString(16)}`)) > nonce
}

/** Sends the transaction again if the chain does not know it, and with higher fees if it waits too long. */
async function pushOn(settling: Settling, transaction: StoredTransaction): Promise<StoredTransaction> {
  const { attempts, from, nonce } = transaction
  if (!(await isKnown(settling.rpc, transaction))) await broadcast(settling.rpc, transaction)
  const waitedMs = Date.now() - Date.parse(attempts.at(-1)!.signedAt)
  if (waitedMs < settling.stuckMs || attempts.length >= MOST_ATTEMPTS) return transaction
  // Only the first transaction of a signer needs higher fees; the others wait for it.
  const isFirst = (await transactionCount(settling.rpc, from, 'latest')) === nonce
  return isFirst ? bump(settling, transaction) : transaction
}

async function pause({ pollMs, signal }: Settling): Promise<void> {
  await sleep(pollMs, undefined, signal === undefined ? {} : { signal }).catch(() => {
    throw interrupted('the signed transaction is kept; the same command continues with it')
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
    hint: 'the signed transaction is kept and may be mined at any time: the same command continues with it',
  })
}
