import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { ProxmintError } from '../run/errors.mts'
import { ifThere } from '../run/if-there.mts'
import { withLock } from '../run/lock.mts'
import { privateFolder } from '../run/private-folder.mts'
import { chainKey, type Journal, SIGNING_WAIT_MS, type StoredTransaction } from './journal.mts'
import type { Rpc } from './rpc.mts'

/**
 * Opens the journal of this machine, with a file for each transaction.
 * @param stateDir folder of proxmint's state; the journal is below it, in `transactions/CHAIN/`.
 */
export async function openFileJournal(stateDir: string, rpc: Rpc): Promise<Journal> {
  const folder = privateFolder(stateDir, 'transactions', await chainKey(rpc))
  for (const kind of ['pending', 'settled', 'dropped']) privateFolder(folder, kind)
  return journalIn(folder)
}

function journalIn(folder: string): Journal {
  const pending = (key: string): string => join(folder, 'pending', `${key}.json`)
  const settled = (key: string): string => join(folder, 'settled', `${key}.json`)
  const write = (path: string, transaction: StoredTransaction): Promise<void> =>
    writeFileAtomic(path, `${JSON.stringify(transaction, null, 2)}\n`, 0o600)
  // After a run died between two steps, both folders have the transaction. The settled one counts: either it was written
  // last, or `put` wrote the pending one last, and then that was not sent yet.
  const get = async (key: string): Promise<StoredTransaction | undefined> => {
    const certain = await read(settled(key))
    return certain === undefined ? read(pending(key)) : { ...certain, settled: true }
  }
  return {
    get,
    listPending: () => readFolder(join(folder, 'pending')),
    async put({ settled: _, receipt: __, ...transaction }) {
      await write(pending(transaction.key), transaction)
      await rm(settled(transaction.key), { force: true })
    },
    async settle({ settled: _, ...transaction }) {
      await write(settled(transaction.key), transaction)
      await rm(pending(transaction.key), { force: true })
    },
    async drop({ key, nonce, attempts, settled: wasSettled }) {
      const current = await get(key)
      if (current?.nonce !== nonce || current.settled !== wasSettled) return
      const dropped = `${key}-${attempts[0]!.hash.slice(2, 10)}`
      await write(join(folder, 'dropped', `${dropped}.json`), current)
      await rm(pending(key), { force: true })
      if (wasSettled) await rm(settled(key), { force: true })
    },
    whileSigning(address, work) {
      const path = join(folder, `signer-${address}`)
      return withLock({ path, purpose: 'sign a transaction', waitMs: SIGNING_WAIT_MS, retryMs: 100 }, work)
    },
  }
}

async function readFolder(folder: string): Promise<StoredTransaction[]> {
  const names = (await readdir(folder)).filter(name => name.endsWith('.json') && !name.startsWith('.'))
  const all = await Promise.all(names.map(name => read(join(folder, name))))
  return all.filter(transaction => transaction !== undefined).sort((a, b) => a.nonce - b.nonce)
}

async function read(path: string): Promise<StoredTransaction | undefined> {
  const text = await ifThere(readFile(path, 'utf8'))
  if (text === undefined) return undefined
  try {
    const transaction = JSON.parse(text) as Partial<StoredTransaction> | null
    if (transaction?.proxmintTransaction === 1) return transaction as StoredTransaction
  } catch {}
  throw new ProxmintError(`${path} is not a stored transaction`, {
    hint: 'its transaction may have been sent: check the signer on the chain before you move the file away',
  })
}
