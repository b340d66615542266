/** Signed transactions of a chain, stored before they are sent. */
import type { LockedWork } from '../run/lock.mts'
import type { Receipt } from './receipt.mts'
import type { Rpc } from './rpc.mts'

/** Signed transaction: it may be mined at any time. */
export interface StoredTransaction {
  proxmintTransaction: 1
  /** Purpose of the transaction. Two transactions with the same key are never both sent. */
  key: string
  /** Text for people: `the mint for web-1`. */
  what: string
  /** Values that a later request with the same key must repeat: the wallet, the machine id. */
  terms: Record<string, string>
  from: string
  to: string | null
  nonce: number
  data: string
  /** Decimal. */
  gasLimit: string
  /** Attempts with the same nonce, so at most one is ever mined. The last one pays the highest fees. */
  attempts: Attempt[]
  /** Receipt with enough confirmations; a server may forget it later. Records of older versions have none. */
  receipt?: Receipt
  /** true if it has enough confirmations; the journal sets it on reading. */
  settled?: true
}

interface Attempt {
  hash: string
  /** Hex. */
  raw: string
  /** Wei, decimal. */
  maxFeePerGas: string
  maxPriorityFeePerGas: string
  /** ISO 8601. */
  signedAt: string
}

/**
 * Transactions of one chain. Each change is a compare-and-set: it replaces what was read, and returns false without a
 * change if another run has changed it meanwhile. So a run that lost its lock replaces nothing of the run that took it.
 */
export interface Journal {
  get(key: string): Promise<StoredTransaction | undefined>
  /** Transactions without enough confirmations, by nonce. */
  listPending(): Promise<StoredTransaction[]>
  /**
   * Stores a transaction; it is on disk when the promise resolves.
   * @param before undefined: no transaction has the key yet.
   */
  put(transaction: StoredTransaction, before: StoredTransaction | undefined): Promise<boolean>
  /** Marks a transaction as confirmed and keeps it with its receipt. */
  settle(transaction: StoredTransaction, before: StoredTransaction | undefined): Promise<boolean>
  /** Drops a transaction that can never be mined, that failed, or that a new one is to follow. */
  drop(before: StoredTransaction): Promise<boolean>
  /**
   * Runs `work` under the lock of a signer, which all runs with this journal share. `work` looks at the lock before it
   * stores and before it sends: another run may have taken the lock over, and signed with the same nonce.
   * @throws ProxmintError (locked) if another run holds the lock for longer than `SIGNING_WAIT_MS`, or took it over.
   */
  whileSigning<T>(address: string, work: LockedWork<T>): Promise<T>
}

/** Name of the work under the lock of a signer. */
export const SIGNING = 'sign a transaction'

/** Longer than a lock takes to become stale after its run was killed. Other runs sign for moments only. */
export const SIGNING_WAIT_MS = 180_000

/**
 * Key of a chain: `ID-GENESIS`, with eight digits of the hash of its first block. A test chain that is started again has
 * the same id but another first block.
 */
export async function chainKey(rpc: Rpc): Promise<string> {
  const genesis = await rpc.call<{ hash: string }>('eth_getBlockByNumber', ['0x0', false])
  return `${rpc.chainId}-${genesis.hash.slice(2, 10)}`
}
