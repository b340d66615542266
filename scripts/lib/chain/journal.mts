import type { Receipt } from './receipt.mts'

/** A transaction that was signed, and so may be on the chain at any time from then on. */
export interface StoredTransaction {
  proxmintTransaction: 1
  /** What it is for: no two transactions of one purpose are ever both sent. */
  key: string
  /** For a person: `mint for web-1`. */
  what: string
  /** What whoever asks for the same again must mean as well: the wallet, the machine id. */
  terms: Record<string, string>
  from: string
  to: string | null
  nonce: number
  data: string
  /** Decimal. */
  gasLimit: string
  /** All of one nonce, so that at most one is ever mined; the last pays most. */
  attempts: Attempt[]
  /** Once it is certain: a server forgets it some day. Records of older versions have none. */
  receipt?: Receipt
  /** Whether it is certain; set by the journal, where it is read. */
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

/** The transactions of one chain, kept before they are sent. */
export interface Journal {
  get(key: string): Promise<StoredTransaction | undefined>
  /** Those that are not certain yet, by nonce. */
  listPending(): Promise<StoredTransaction[]>
  /** On disk when it returns. */
  put(transaction: StoredTransaction): Promise<void>
  /** It has as many confirmations as were asked for: it is kept with its receipt. */
  settle(transaction: StoredTransaction): Promise<void>
  /**
   * It can never be mined any more, or it was and failed; or another is wanted for the same purpose. What stands there
   * with another nonce stays, and what has become certain since it was read.
   */
  drop(transaction: StoredTransaction): Promise<void>
  /**
   * Runs `work` while nobody else who shares the journal signs for this address. The signal aborts when that is so no
   * more.
   * @throws ProxmintError (locked) where another run signs for too long.
   */
  whileSigning<T>(address: string, work: (signal: AbortSignal) => Promise<T>): Promise<T>
}

/** Other runs sign for moments; one that was killed, until its lock is stale. */
export const SIGNING_WAIT_MS = 180_000
