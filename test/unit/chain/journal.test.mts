/** Both journals of transactions, by one suite. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openFileJournal } from '../../../scripts/lib/chain/file-journal.mts'
import type { Journal, StoredTransaction } from '../../../scripts/lib/chain/journal.mts'
import { openPostgresJournal } from '../../../scripts/lib/chain/postgres-journal.mts'
import type { Rpc } from '../../../scripts/lib/chain/rpc.mts'
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
    await first.put(transaction('b', 10))
    await first.put(transaction('a', 9))
    expect(await second.get('a')).toEqual(transaction('a', 9))
    expect(await second.get('c')).toBeUndefined()
    expect((await second.listPending()).map(({ nonce }) => nonce)).toEqual([9, 10])
  })

  test('what is certain is found, and not pending; what was dropped is neither', async () => {
    const journal = await open()
    await journal.put(transaction('a', 1))
    await journal.put(transaction('b', 2))
    await journal.settle({ ...transaction('a', 1), receipt })
    expect(await journal.get('a')).toEqual({ ...transaction('a', 1), receipt, settled: true })
    expect((await journal.listPending()).map(({ key }) => key)).toEqual(['b'])
    // Another run that did not see it mined.
    await journal.drop(transaction('a', 1))
    expect(await journal.get('a')).toMatchObject({ settled: true })
    await journal.drop((await journal.get('a'))!)
    await journal.drop(transaction('b', 2))
    expect([await journal.get('a'), await journal.get('b')]).toEqual([undefined, undefined])
    expect(await journal.listPending()).toEqual([])
  })

  test('what is signed anew is not dropped in the place of what it follows', async () => {
    const journal = await open()
    await journal.put(transaction('a', 2))
    await journal.drop(transaction('a', 1))
    expect(await journal.get('a')).toEqual(transaction('a', 2))
    await journal.drop(transaction('b', 1))
  })

  test('what was certain and is sent again is pending, without its receipt', async () => {
    const journal = await open()
    await journal.settle({ ...transaction('a', 1), receipt })
    await journal.put((await journal.get('a'))!)
    expect(await journal.get('a')).toEqual(transaction('a', 1))
    expect(await journal.listPending()).toEqual([transaction('a', 1)])
  })

  test('another chain of the same id knows nothing of it', async () => {
    await (await open()).put(transaction('a', 1))
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
