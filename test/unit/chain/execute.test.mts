/** What becomes of a transaction, on a chain of memory that can forget and be overtaken. */
import { globSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Transaction, Wallet } from 'ethers'
import { beforeEach, expect, test } from 'vitest'
import { credentialInterface } from '../../../scripts/lib/chain/contract.mts'
import { openFileJournal } from '../../../scripts/lib/chain/file-journal.mts'
import type { StoredTransaction } from '../../../scripts/lib/chain/journal.mts'
import { mintCredentials } from '../../../scripts/lib/chain/mint.mts'
import type { Receipt } from '../../../scripts/lib/chain/receipt.mts'
import type { Rpc } from '../../../scripts/lib/chain/rpc.mts'
import type { Settling } from '../../../scripts/lib/chain/settle.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const wallet = Wallet.createRandom().address
const contract = Wallet.createRandom().address
const target = { contract, profile: 'v0.4' as const, serverPublicKey: undefined }
const request = { wallet, machineId: 'nas-1', expiresAt: 0 }
const key = `mint-${contract.slice(2, 10).toLowerCase()}-nas-1`

type Method = (params: unknown[]) => unknown

/** A chain that mines what is sent at once, and a block with each look. */
class MemoryChain {
  head = 100
  nonce = 0
  sent = 0
  receipts = new Map<string, Receipt>()
  methods: Record<string, Method> = {
    eth_blockNumber: () => `0x${(this.head++).toString(16)}`,
    eth_getTransactionReceipt: ([hash]) => this.receipts.get(hash as string) ?? null,
    eth_getTransactionCount: () => `0x${this.nonce.toString(16)}`,
    eth_getTransactionByHash: ([hash]) => (this.receipts.has(hash as string) ? {} : null),
    eth_sendRawTransaction: ([raw]) => this.mine(raw as string),
    eth_estimateGas: () => '0x10000',
    eth_getBalance: () => '0xffffffffffffffffffff',
    eth_getBlockByNumber: () => ({ baseFeePerGas: '0x1', hash: `0x${'1'.repeat(64)}` }),
    eth_maxPriorityFeePerGas: () => '0x1',
    eth_call: ([call]) => this.read((call as { data: string }).data),
  }
  /** Text of each token, by its id. */
  messages = new Map<bigint, string>()

  read(asked: string): string {
    const { name, args } = credentialInterface.parseTransaction({ data: asked })!
    const values = name === 'ownerOf' ? [wallet] : ['0x', this.messages.get(args[0])!, 1n, 0n]
    return credentialInterface.encodeFunctionResult(name, values)
  }

  mine(raw: string): string {
    const { hash, nonce, data } = Transaction.from(raw)
    const mint = credentialInterface.parseTransaction({ data })!
    this.messages.set(BigInt(nonce), mint.args.getValue('decryptMessage'))
    this.sent += 1
    this.nonce = nonce + 1
    const log = credentialInterface.encodeEventLog('CredentialMinted', [BigInt(nonce), wallet, 1n, 0n])
    this.receipts.set(hash!, {
      transactionHash: hash!,
      blockNumber: `0x${this.head.toString(16)}`,
      blockHash: '0x0',
      status: '0x1',
      gasUsed: '0x1',
      contractAddress: null,
      logs: [{ address: contract, topics: log.topics as string[], data: log.data }],
    })
    return hash!
  }

  rpc(): Rpc {
    const call = async <T,>(method: string, params: unknown[] = []): Promise<T> =>
      this.methods[method]!(params) as T
    return { chainId: 1, call, ask: async (method, params) => ({ result: await call(method, params) }) }
  }
}

let chain: MemoryChain
let settling: Settling
let folder: string
const signer = Wallet.createRandom()

beforeEach(async () => {
  chain = new MemoryChain()
  folder = await temporaryFolder()
  const rpc = chain.rpc()
  settling = {
    rpc,
    witnesses: [rpc],
    signer: { address: signer.address, sign: fields => signer.signTransaction({ type: 2, ...fields }) },
    journal: await openFileJournal(folder, rpc),
    maxTipGwei: 100,
    confirmations: 2,
    stuckMs: 60_000,
    timeoutMs: 20_000,
    pollMs: 1,
  }
})

const mint = async () => (await mintCredentials(settling, target, [request]))[0]!

/** Replaces what the journal has. */
const put = async (transaction: StoredTransaction) =>
  settling.journal.put(transaction, await settling.journal.get(transaction.key))

test('a mint that is certain is told again when the servers keep its receipt no longer', async () => {
  const first = await mint()
  chain.receipts.clear()
  expect(await mint()).toEqual(first)
  expect(chain.sent).toBe(1)
})

/** As a proxmint wrote it that kept no receipts. */
async function forgetReceipt({ signedAt }: { signedAt: string }, state: 'pending' | 'settled') {
  const { receipt, settled, ...stored } = (await settling.journal.get(key))!
  const attempts = stored.attempts.map(attempt => ({ ...attempt, signedAt }))
  await put({ ...stored, attempts })
  if (state === 'settled')
    await settling.journal.settle({ ...stored, attempts }, await settling.journal.get(key))
}

const now = new Date().toISOString()

test.each([
  ['that is certain', now, 'settled'],
  ['signed long ago', '2026-01-01T00:00:00.000Z', 'pending'],
] as const)(
  'a mint %s, without its receipt here or there, is not signed again',
  async (_, signedAt, state) => {
    const { transactionHash } = await mint()
    await forgetReceipt({ signedAt }, state)
    // Its receipt is still there: nothing is amiss.
    expect((await mint()).transactionHash).toBe(transactionHash)
    await forgetReceipt({ signedAt }, state)
    chain.receipts.clear()
    expect(await failureOf(mint)).toMatchObject({
      message: 'no RPC server keeps the receipt of the mint for nas-1 any more',
      facts: { transaction: transactionHash, record: key },
      hint: expect.stringContaining('rpc_url'),
    })
    expect(chain.sent).toBe(1)
  },
)

test('where another transaction took its nonce just now, it is signed anew', async () => {
  chain.methods['eth_sendRawTransaction'] = ([raw]) => {
    delete (chain.methods as Partial<typeof chain.methods>)['eth_sendRawTransaction']
    chain.methods['eth_sendRawTransaction'] = ([later]) => chain.mine(later as string)
    chain.nonce = 1
    return Transaction.from(raw as string).hash
  }
  expect((await mint()).tokenId).toBe('1')
  expect(chain.sent).toBe(1)
})

/** Of the same nonce, with higher fees: as another run's `bump` makes it. */
async function bumpElsewhere(): Promise<StoredTransaction> {
  const stored = (await settling.journal.listPending())[0]!
  const fees = { maxFeePerGas: '100', maxPriorityFeePerGas: '50' }
  const { nonce, to, data, gasLimit } = stored
  const raw = await signer.signTransaction({ type: 2, chainId: 1, nonce, to, data, gasLimit, ...fees })
  const attempt = { hash: Transaction.from(raw).hash!, raw, ...fees, signedAt: new Date().toISOString() }
  const bumped = { ...stored, attempts: [...stored.attempts, attempt] }
  await put(bumped)
  return bumped
}

/** What is sent waits; at the second look another run has done `work`. */
function meanwhile(work: () => Promise<void>): void {
  const { eth_blockNumber: look, eth_sendRawTransaction: send } = chain.methods
  let looks = 0
  chain.methods['eth_sendRawTransaction'] = ([raw]) => Transaction.from(raw as string).hash
  chain.methods['eth_blockNumber'] = async params => {
    looks += 1
    if (looks === 2) {
      chain.methods['eth_sendRawTransaction'] = send!
      await work()
    }
    return look!(params)
  }
}

test('what another run sent with higher fees is found, and nothing is sent anew', async () => {
  meanwhile(async () => {
    chain.mine((await bumpElsewhere()).attempts[1]!.raw)
  })
  expect((await mint()).tokenId).toBe('0')
  expect(chain.sent).toBe(1)
})

test('what another run has seen, and the server of this one does not know, is not given up', async () => {
  meanwhile(async () => {
    const [waiting] = await settling.journal.listPending()
    const hash = chain.mine(waiting!.attempts[0]!.raw)
    await settling.journal.settle({ ...waiting!, receipt: chain.receipts.get(hash)! }, waiting)
    chain.receipts.clear()
  })
  expect((await mint()).tokenId).toBe('0')
  expect(chain.sent).toBe(1)
})

test('what another run signed anew after a failure on the chain is not dropped', async () => {
  meanwhile(async () => {
    const [failed] = await settling.journal.listPending()
    chain.mine(failed!.attempts[0]!.raw)
    const { hash } = failed!.attempts[0]!
    chain.receipts.set(hash, { ...chain.receipts.get(hash)!, status: '0x0' })
    await settling.journal.drop(failed!)
    await put({ ...failed!, nonce: 1 })
  })
  expect(await failureOf(mint)).toMatchObject({ message: 'the contract reverted: the mint for nas-1' })
  expect(await settling.journal.get(key)).toMatchObject({ nonce: 1 })
})

test('a tip that no chain wants is refused before anything is signed', async () => {
  chain.methods['eth_maxPriorityFeePerGas'] = () => '0x174876e801'
  expect(await failureOf(mint)).toMatchObject({
    message: 'the RPC server wants a tip of 100.000000001 gwei per gas',
    hint: expect.stringContaining('nothing was signed with this tip'),
  })
  expect(await settling.journal.get(key)).toBeUndefined()
  chain.methods['eth_maxPriorityFeePerGas'] = () => '0x174876e800'
  expect((await mint()).tokenId).toBe('0')
})

test('a run whose lock another run took while it signed stores and sends nothing', async () => {
  const other = { ...settling, journal: await openFileJournal(folder, settling.rpc) }
  const { address, sign } = settling.signer
  let theirs: string | undefined
  const signLate = async (fields: Parameters<typeof sign>[0]): Promise<string> => {
    const [lock] = globSync(`${folder}/transactions/*/signer-*.lock`)
    await rm(lock!, { recursive: true })
    theirs = (await mintCredentials(other, target, [request]))[0]!.transactionHash
    return sign(fields)
  }
  settling = { ...settling, signer: { address, sign: signLate } }
  expect(await failureOf(mint)).toMatchObject({
    message: 'another run took over the lock of the signer; this run sent nothing',
    exitCode: 5,
  })
  expect(chain.sent).toBe(1)
  const stored = await other.journal.get(key)
  expect(stored).toMatchObject({ settled: true, attempts: [{ hash: theirs }] })
})
