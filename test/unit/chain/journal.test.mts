/** Both journals of transactions, by one suite. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openFileJournal } from '../../../scripts/lib/chain/file-journal.mts'
import type { Journal, StoredTransaction } from '../../../scripts/lib/chain/journal.mts'
import { openPostgresJournal } from '../../../scripts/lib/chain/postgres-journal.mts'
import type { Rpc } from '../../../scripts/lib/chain/rpc.mts'
import { writeFileAtomic } from '../../../scripts/lib/run/atomic-file.mts'
import { failureOf } from '../failure.mts'
import { type Database, startPostgres } from '../registry/postgres.mts'
import { temporaryFolder } from '../temporary.mts'

/** A chain, told by its first block. */
const chain = (genesis: string): Rpc => ({
  chainId: 31337,
  call: async <T,>() => ({ hash: `0x${genesis.repeat(64)}` }) as T,
  ask: () => Promise.reject(new Error('nothing is asked')),
})

const transaction = (key: string, nonce: number): StoredTransaction => ({
  proxmintTransaction: 1,
  key,
  what: `the mint for ${key}`,
  terms: { wallet: '0x1' },
  from: '0x2',
  to: '0x3',
  nonce,
  data: '0x',
  gasLimit: '1',
  attempts: [
    { hash: `0x${nonce}abcdefgh`, raw: '0x', maxFeePerGas: '1', maxPriorityFeePerGas: '1', signedAt: '' },
  ],
})

const receipt = {
  transactionHash: '0x1abcdefgh',
  blockNumber: '0x1',
  blockHash: '0x2',
  status: '0x1',
  gasUsed: '0x3',
  contractAddress: null,
  logs: [],
}

let database: Database
let databases = 0
let open: (genesis?: string) => Promise<Journal>

beforeAll(async () => {
  database = await startPostgres()
})
afterAll(() => database.stop())

describe.each<[string, () => Promise<(genesis?: string) => Promise<Journal>>]>([
  [
    'in files',
    async () => {
      const folder = await temporaryFolder()
      return (genesis = 'a') => openFileJournal(folder, chain(genesis))
    },
  ],
  [
    'in PostgreSQL',
    async () => {
      const url = await database.url(`journal_${databases++}`)
      return (genesis = 'a') => openPostgresJournal(url, chain(genesis))
    },
  ],
])('%s', (_, place) => {
  beforeEach(async () => {
    open = await place()
  })

  test('what was put is found by whoever opens it, and is pending in the order of nonces', async () => {
    const [first, second] = [await open(), await open()]
    expect(await first.put(transaction('b', 10), undefined)).toBe(true)
    expect(await first.put(transaction('a', 9), undefined)).toBe(true)
    expect(await second.get('a')).toEqual(transaction('a', 9))
    expect(await second.get('c')).toBeUndefined()
    expect((await second.listPending()).map(({ nonce }) => nonce)).toEqual([9, 10])
  })

  test('what is certain is found, and not pending; what was dropped is neither', async () => {
    const journal = await open()
    const [a, b] = [transaction('a', 1), transaction('b', 2)]
    await journal.put(a, undefined)
    await journal.put(b, undefined)
    expect(await journal.settle({ ...a, receipt }, a)).toBe(true)
    const settled = { ...a, receipt, settled: true as const }
    expect(await journal.get('a')).toEqual(settled)
    expect((await journal.listPending()).map(({ key }) => key)).toEqual(['b'])
    expect(await journal.drop(settled)).toBe(true)
    expect(await journal.drop(b)).toBe(true)
    expect([await journal.get('a'), await journal.get('b')]).toEqual([undefined, undefined])
    expect(await journal.listPending()).toEqual([])
    expect(await journal.put(transaction('a', 3), undefined)).toBe(true)
  })

  test('what was certain and is sent again is pending, without its receipt', async () => {
    const journal = await open()
    await journal.settle({ ...transaction('a', 1), receipt }, undefined)
    const settled = await journal.get('a')
    expect(await journal.put(settled!, settled)).toBe(true)
    expect(await journal.get('a')).toEqual(transaction('a', 1))
    expect(await journal.listPending()).toEqual([transaction('a', 1)])
  })

  describe('what another run changed since it was read stays as it is', () => {
    const [old, bumped, anew] = [transaction('a', 1), transaction('a', 1), transaction('a', 2)]
    bumped.attempts.push({ ...old.attempts[0]!, hash: '0x9' })

    test.each<[string, (journal: Journal) => Promise<unknown>]>([
      ['signed anew', journal => journal.put(anew, old)],
      ['sent with higher fees', journal => journal.put(bumped, old)],
      ['certain', journal => journal.settle({ ...old, receipt }, old)],
      ['certain, and an older record without its receipt', journal => journal.settle(old, old)],
      ['dropped', journal => journal.drop(old)],
    ])('%s', async (_, change) => {
      const [journal, late] = [await open(), await open()]
      await journal.put(old, undefined)
      await change(journal)
      const now = await journal.get('a')
      expect(await late.put({ ...old, nonce: 5 }, old)).toBe(false)
      expect(await late.settle({ ...old, receipt }, old)).toBe(false)
      expect(await late.drop(old)).toBe(false)
      if (now !== undefined) {
        expect(await late.put({ ...old, nonce: 5 }, undefined)).toBe(false)
        expect(await late.settle({ ...old, receipt }, undefined)).toBe(false)
      }
      expect(await journal.get('a')).toEqual(now)
    })
  })

  test('of many runs that store for one key at once, one does', async () => {
    const journals = await Promise.all(Array.from({ length: 6 }, () => open()))
    const stored = await Promise.all(
      journals.map((journal, nonce) => journal.put(transaction('a', nonce), undefined)),
    )
    expect(stored.filter(Boolean)).toHaveLength(1)
    expect(await journals[0]!.get('a')).toMatchObject({ nonce: stored.indexOf(true) })
  })

  test('another chain of the same id knows nothing of it', async () => {
    await (await open()).put(transaction('a', 1), undefined)
    expect(await (await open('b')).get('a')).toBeUndefined()
  })

  test('nobody signs for one address at the same time, whoever opened it', async () => {
    const journals = await Promise.all([open(), open(), open()])
    let signing = 0
    const most: number[] = []
    await Promise.all(
      journals.flatMap(journal =>
        [1, 2].map(() =>
          journal.whileSigning('0x2', async () => {
            signing += 1
            most.push(signing)
            await new Promise(resolve => setTimeout(resolve, 5))
            signing -= 1
          }),
        ),
      ),
    )
    expect(most).toEqual([1, 1, 1, 1, 1, 1])
  })
})

describe('files of former versions', () => {
  const [a, b] = [transaction('a', 1), transaction('b', 2)]

  async function writtenBefore(files: Record<string, StoredTransaction>) {
    const folder = await temporaryFolder()
    const chainFolder = join(folder, 'transactions/31337-aaaaaaaa')
    for (const [name, content] of Object.entries(files)) {
      await writeFileAtomic(join(chainFolder, name), JSON.stringify(content))
    }
    return { journal: await openFileJournal(folder, chain('a')), chainFolder }
  }

  test('are read; if a run died between two of them, the settled one counts', async () => {
    const files = { 'pending/a.json': a, 'settled/a.json': { ...a, receipt }, 'pending/b.json': b }
    const { journal } = await writtenBefore(files)
    expect(await journal.get('a')).toEqual({ ...a, receipt, settled: true })
    expect(await journal.listPending()).toEqual([b])
  })

  test('are replaced by one of this version at the first change', async () => {
    const { journal, chainFolder } = await writtenBefore({ 'pending/a.json': a, 'pending/b.json': b })
    expect(await journal.put(transaction('a', 7), undefined)).toBe(false)
    expect(await journal.settle({ ...a, receipt }, a)).toBe(true)
    expect(await journal.drop(b)).toBe(true)
    expect(await journal.get('a')).toMatchObject({ settled: true })
    expect(await journal.listPending()).toEqual([])
    expect(await readdir(join(chainFolder, 'pending'))).toEqual([])
    const { mode } = await stat(join(chainFolder, 'b.json'))
    expect(mode & 0o777).toBe(0o600)
    expect(JSON.parse(await readFile(join(chainFolder, 'b.json'), 'utf8'))).toMatchObject({ dropped: [b] })
  })

  test('a file that is no transaction is refused', async () => {
    const { journal } = await writtenBefore({ 'pending/a.json': {} as StoredTransaction })
    expect(await failureOf(() => journal.get('a'))).toMatchObject({
      message: expect.stringContaining('pending/a.json is not a stored transaction'),
    })
  })
})
