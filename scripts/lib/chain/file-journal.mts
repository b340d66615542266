/** Journal of this machine: a file for each purpose, `transactions/CHAIN/KEY.json`, changed by compare-and-set. */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { changeFile } from '../run/change-file.mts'
import { ProxmintError } from '../run/errors.mts'
import { ifThere } from '../run/if-there.mts'
import { whileHeld, withLock } from '../run/lock.mts'
import { privateFolder } from '../run/private-folder.mts'
import { chainKey, type Journal, SIGNING, SIGNING_WAIT_MS, type StoredTransaction } from './journal.mts'
import type { Rpc } from './rpc.mts'

/** Content of a file. */
interface JournalFile {
  proxmintJournal: 1
  /** State of the transaction; null: there is none. */
  state: 'pending' | 'settled' | null
  transaction: StoredTransaction | null
  /** Former transactions of the same key, for people. */
  dropped: StoredTransaction[]
}

const NOTHING: JournalFile = { proxmintJournal: 1, state: null, transaction: null, dropped: [] }
/** Runs that change one key wait for moments only, or until the lock of a killed run is stale. */
const CHANGE_WAIT_MS = 30_000

/**
 * Opens the journal of this machine.
 * @param stateDir folder of proxmint's state; the journal is below it, in `transactions/CHAIN/`.
 */
export async function openFileJournal(stateDir: string, rpc: Rpc): Promise<Journal> {
  return journalIn(privateFolder(stateDir, 'transactions', await chainKey(rpc)))
}

function journalIn(folder: string): Journal {
  return {
    get: async key => transactionOf(await read(folder, key)),
    listPending: () => listPending(folder),
    put: ({ settled: _, receipt: __, ...transaction }, before) =>
      change(folder, transaction.key, before, { state: 'pending', transaction }),
    settle: ({ settled: _, ...transaction }, before) =>
      change(folder, transaction.key, before, { state: 'settled', transaction }),
    drop: before => change(folder, before.key, before, { state: null, transaction: null }),
    whileSigning(address, work) {
      const path = join(folder, `signer-${address}`)
      const lock = { path, purpose: SIGNING, waitMs: SIGNING_WAIT_MS, retryMs: 100 }
      return withLock(lock, (lost, isHeld) => whileHeld(SIGNING, lost, isHeld, work))
    },
  }
}

function transactionOf({ state, transaction }: JournalFile): StoredTransaction | undefined {
  if (transaction === null) return undefined
  return state === 'settled' ? { ...transaction, settled: true } : transaction
}

/** Replaces the transaction of a key. @returns false if it is not as it was read before; nothing is written then. */
async function change(
  folder: string,
  key: string,
  before: StoredTransaction | undefined,
  after: Pick<JournalFile, 'state' | 'transaction'>,
): Promise<boolean> {
  const path = pathOf(folder, key)
  const lock = { path, purpose: 'keep a transaction', waitMs: CHANGE_WAIT_MS, retryMs: 50 }
  const isDone = await changeFile(
    lock,
    async text => {
      const file = text === undefined ? await readOlder(folder, key) : parse(path, text)
      if (!isDeepStrictEqual(transactionOf(file), plain(before))) return { text: undefined, result: false }
      const isDropped = after.transaction === null && file.transaction !== null
      const dropped = isDropped ? [...file.dropped, file.transaction!] : file.dropped
      return { text: `${JSON.stringify({ ...file, ...after, dropped }, null, 2)}\n`, result: true }
    },
    0o600,
  )
  if (isDone) await Promise.all(olderPaths(folder, key).map(older => rm(older, { force: true })))
  return isDone
}

/** Leaves out properties that are undefined, as JSON does. */
function plain(transaction: StoredTransaction | undefined): StoredTransaction | undefined {
  return transaction && (JSON.parse(JSON.stringify(transaction)) as StoredTransaction)
}

function pathOf(folder: string, key: string): string {
  return join(folder, `${key}.json`)
}

async function read(folder: string, key: string): Promise<JournalFile> {
  const path = pathOf(folder, key)
  const text = await ifThere(readFile(path, 'utf8'))
  return text === undefined ? readOlder(folder, key) : parse(path, text)
}

function parse(path: string, text: string): JournalFile {
  const file = parsed(text) as Partial<JournalFile> | null | undefined
  if (file?.proxmintJournal === 1) return file as JournalFile
  throw notStored(path)
}

async function listPending(folder: string): Promise<StoredTransaction[]> {
  const older = (await ifThere(readdir(join(folder, 'pending')))) ?? []
  const keys = new Set([...(await readdir(folder)), ...older].flatMap(keyOf))
  const files = await Promise.all([...keys].map(key => read(folder, key)))
  const pending = files.filter(({ state }) => state === 'pending')
  return pending.map(({ transaction }) => transaction!).sort((a, b) => a.nonce - b.nonce)
}

function keyOf(name: string): string[] {
  return name.startsWith('.') ? [] : (/^(.+)\.json$/.exec(name)?.slice(1) ?? [])
}

/** Files of former versions: `pending/KEY.json` and `settled/KEY.json`. If there are both, the settled one counts. */
function olderPaths(folder: string, key: string): [settled: string, pending: string] {
  return [join(folder, 'settled', `${key}.json`), join(folder, 'pending', `${key}.json`)]
}

async function readOlder(folder: string, key: string): Promise<JournalFile> {
  const [settled, pending] = await Promise.all(olderPaths(folder, key).map(readTransaction))
  const transaction = settled ?? pending
  if (transaction === undefined) return NOTHING
  return { ...NOTHING, state: settled === undefined ? 'pending' : 'settled', transaction }
}

async function readTransaction(path: string): Promise<StoredTransaction | undefined> {
  const text = await ifThere(readFile(path, 'utf8'))
  if (text === undefined) return undefined
  const transaction = parsed(text) as Partial<StoredTransaction> | null | undefined
  if (transaction?.proxmintTransaction === 1) return transaction as StoredTransaction
  throw notStored(path)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function notStored(path: string): ProxmintError {
  return new ProxmintError(`${path} is not a stored transaction`, {
    hint: 'its transaction may have been sent: check the signer on the chain before you move the file away',
  })
}
