import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { codeOf, ProxmintError } from '../run/errors.mts'
import type { Rpc } from './rpc.mts'

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
}

export interface Attempt {
  hash: string
  /** Hex. */
  raw: string
  /** Wei, decimal. */
  maxFeePerGas: string
  maxPriorityFeePerGas: string
  /** ISO 8601. */
  signedAt: string
}

/** The transactions of one chain, a file each, on disk before they are sent. */
export interface Journal {
  folder: string
  get(key: string): Promise<StoredTransaction | undefined>
  /** Those that are not certain yet. */
  listPending(): Promise<StoredTransaction[]>
  /** fsynced when it returns. */
  put(transaction: StoredTransaction): Promise<void>
  /** It has as many confirmations as were asked for. */
  settle(transaction: StoredTransaction): Promise<void>
  /** It can never be mined any more, or it was and failed. */
  drop(transaction: StoredTransaction): Promise<void>
}

/**
 * @param stateDir of proxmint; the journal is in `transactions/CHAIN-GENESIS/`, since a test chain that is made anew has
 * the same id and knows nothing of the old one's transactions.
 */
export async function openJournal(stateDir: string, rpc: Rpc): Promise<Journal> {
  const genesis = await rpc.call<{ hash: string }>('eth_getBlockByNumber', ['0x0', false])
  return journalIn(join(stateDir, 'transactions', `${rpc.chainId}-${genesis.hash.slice(2, 10)}`))
}

function journalIn(folder: string): Journal {
  const pending = (key: string): string => join(folder, 'pending', `${key}.json`)
  const settled = (key: string): string => join(folder, 'settled', `${key}.json`)
  const write = (path: string, transaction: StoredTransaction): Promise<void> =>
    writeFileAtomic(path, `${JSON.stringify(transaction, null, 2)}\n`, 0o600)
  return {
    folder,
    get: async key => (await read(pending(key))) ?? (await read(settled(key))),
    listPending: () => readFolder(join(folder, 'pending')),
    put: transaction => write(pending(transaction.key), transaction),
    async settle(transaction) {
      // A crash between the two leaves it in both, which only means that it is looked at once more.
      await write(settled(transaction.key), transaction)
      await rm(pending(transaction.key), { force: true })
    },
    async drop({ key, attempts }) {
      const dropped = `${key}-${attempts[0]!.hash.slice(2, 10)}`
      await write(
        join(folder, 'dropped', `${dropped}.json`),
        (await read(pending(key))) ?? (await read(settled(key)))!,
      )
      await rm(pending(key), { force: true })
      await rm(settled(key), { force: true })
    },
  }
}

async function readFolder(folder: string): Promise<StoredTransaction[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const names = (await readdir(folder)).filter(name => name.endsWith('.json') && !name.startsWith('.'))
  const all = await Promise.all(names.map(name => read(join(folder, name))))
  return all.filter(transaction => transaction !== undefined).sort((a, b) => a.nonce - b.nonce)
}

async function read(path: string): Promise<StoredTransaction | undefined> {
  const text = await readFile(path, 'utf8').catch(error => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  try {
    const transaction = JSON.parse(text) as Partial<StoredTransaction> | null
    if (transaction?.proxmintTransaction === 1) return transaction as StoredTransaction
  } catch {}
  throw new ProxmintError(`${path} is no stored transaction`, {
    hint: 'it may have been sent: look its signer up on the chain before you move the file away',
  })
}
