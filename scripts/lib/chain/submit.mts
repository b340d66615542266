import { formatEther, Transaction } from 'ethers'
import { checkpoint } from '../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { bumpedFees, currentFees, type Fees } from './fees.mts'
import { estimateGas } from './gas.mts'
import type { Journal, StoredTransaction } from './journal.mts'
import type { Rpc } from './rpc.mts'
import type { Signer } from './signer.mts'

/** Context of a transaction. */
export interface Sending {
  rpc: Rpc
  signer: Signer
  journal: Journal
  /** Highest tip that is paid, in gwei per gas. */
  maxTipGwei: number
}

/** Transaction to send, not signed yet. */
export interface WantedTransaction extends Pick<StoredTransaction, 'key' | 'what' | 'terms' | 'to'> {
  /** Most gas that it may need. Default: what a transaction may have. */
  mostGas?: bigint
  /** Makes the call's data, hex with 0x. Called only if no transaction was signed for the key. */
  data(): string
}

/**
 * Signs, stores and sends the transactions that are not in the journal, in order, each with the next nonce. Sends older
 * ones again if the chain does not know them.
 * @returns the stored transactions, one per intent.
 * @throws ProxmintError (usage) if a transaction with other terms was signed for the key; (failed) if the signer cannot
 *   pay.
 */
export async function submit(sending: Sending, intents: WantedTransaction[]): Promise<StoredTransaction[]> {
  return sending.journal.whileSigning(sending.signer.address, async (_lost, isHeld) => {
    const known = await Promise.all(intents.map(({ key }) => sending.journal.get(key)))
    const fresh = intents.filter((_, index) => known[index] === undefined)
    for (const [index, intent] of intents.entries()) if (known[index]) requireSameTerms(known[index], intent)
    const nonce = await nextNonce(sending)
    const signed = await signAll(sending, fresh, nonce)
    await requireLock(isHeld)
    const stored = await Promise.all(signed.map(one => sending.journal.put(one, undefined)))
    if (stored.includes(false)) throw overtaken()
    checkpoint('mint-stored')
    await requireLock(isHeld)
    for (const transaction of signed) await broadcast(sending.rpc, transaction)
    checkpoint('mint-sent')
    return intents.map(({ key }, index) => known[index] ?? signed.find(found => found.key === key)!)
  })
}

/** Signs a stuck transaction again with higher fees and the same nonce. @returns the transaction as stored now. */
export async function bump(sending: Sending, stuck: StoredTransaction): Promise<StoredTransaction> {
  return sending.journal.whileSigning(sending.signer.address, async (_lost, isHeld) => {
    const stored = await sending.journal.get(stuck.key)
    // Another run may have bumped it, or dropped it and signed a new one.
    if (stored?.nonce !== stuck.nonce) return stored ?? stuck
    if (stored.attempts.length > stuck.attempts.length) return stored
    const fees = bumpedFees(feesOf(stored), await currentFees(sending.rpc, sending.maxTipGwei))
    // After a reorganisation the transaction is not settled any more.
    const { receipt: _, settled: __, ...sent } = stored
    const bumped = { ...sent, attempts: [...sent.attempts, await attempt(sending, sent, fees)] }
    await requireLock(isHeld)
    if (!(await sending.journal.put(bumped, stored))) throw overtaken()
    await broadcast(sending.rpc, bumped)
    return bumped
  })
}

/** @throws ProxmintError (locked) if another run took the lock over: it may have signed with the same nonce. */
async function requireLock(isHeld: () => Promise<boolean>): Promise<void> {
  if (!(await isHeld())) throw overtaken()
}

function overtaken(): ProxmintError {
  return new ProxmintError('another run took over the lock of the signer; this run sent nothing', {
    hint: 'wait for the other run to end, then run the command again',
    exitCode: exitCodes.locked,
  })
}

/**
 * Nonce after all signed transactions. Those that the chain does not know are sent again first: a gap would block all
 * later ones.
 */
async function nextNonce({ rpc, journal, signer }: Sending): Promise<number> {
  const mined = await transactionCount(rpc, signer.address, 'latest')
  const pending = (await journal.listPending()).filter(({ from }) => from === signer.address)
  for (const transaction of pending) {
    if (transaction.nonce >= mined && !(await isKnown(rpc, transaction))) await broadcast(rpc, transaction)
  }
  const waiting = await transactionCount(rpc, signer.address, 'pending')
  return Math.max(waiting, ...pending.map(({ nonce }) => nonce + 1))
}

export async function transactionCount(rpc: Rpc, address: string, block: string): Promise<number> {
  return Number(await rpc.call<string>('eth_getTransactionCount', [address, block]))
}

/** Checks whether the chain has the last attempt, mined or waiting. */
export async function isKnown(rpc: Rpc, { attempts }: StoredTransaction): Promise<boolean> {
  return (await rpc.call<object | null>('eth_getTransactionByHash', [attempts.at(-1)!.hash])) !== null
}

async function signAll(
  sending: Sending,
  intents: WantedTransaction[],
  nonce: number,
): Promise<StoredTransaction[]> {
  if (intents.length === 0) return []
  const fees = await currentFees(sending.rpc, sending.maxTipGwei)
  const from = sending.signer.address
  const unsigned = await Promise.all(
    intents.map(async ({ data: makeData, mostGas, ...intent }, index) => {
      const data = makeData()
      const gasLimit = await estimateGas(sending.rpc, { from, to: intent.to, data, mostGas }, intent.what)
      return {
        proxmintTransaction: 1 as const,
        ...intent,
        from,
        nonce: nonce + index,
        data,
        gasLimit: String(gasLimit),
      }
    }),
  )
  const gas = unsigned.reduce((sum, { gasLimit }) => sum + BigInt(gasLimit), 0n)
  await requireFunds(sending.rpc, from, gas * fees.maxFeePerGas)
  checkpoint('mint-unsigned')
  return Promise.all(
    unsigned.map(async fields => ({ ...fields, attempts: [await attempt(sending, fields, fees)] })),
  )
}

async function attempt(
  { rpc, signer }: Sending,
  { nonce, to, data, gasLimit }: Omit<StoredTransaction, 'attempts'>,
  fees: Fees,
): Promise<StoredTransaction['attempts'][number]> {
  const raw = await signer.sign({
    chainId: rpc.chainId,
    nonce,
    to,
    data,
    gasLimit: BigInt(gasLimit),
    ...fees,
  })
  return {
    hash: Transaction.from(raw).hash!,
    raw,
    maxFeePerGas: String(fees.maxFeePerGas),
    maxPriorityFeePerGas: String(fees.maxPriorityFeePerGas),
    signedAt: new Date().toISOString(),
  }
}

function feesOf({ attempts }: StoredTransaction): Fees {
  const { maxFeePerGas, maxPriorityFeePerGas } = attempts.at(-1)!
  return { maxFeePerGas: BigInt(maxFeePerGas), maxPriorityFeePerGas: BigInt(maxPriorityFeePerGas) }
}

function requireSameTerms(stored: StoredTransaction, intent: WantedTransaction): void {
  const names = Object.keys({ ...stored.terms, ...intent.terms })
  const other = names.find(name => stored.terms[name] !== intent.terms[name])
  if (other === undefined) return
  throw new ProxmintError(`${stored.what} was signed already, with another ${other}`, {
    facts: {
      signed: stored.terms[other],
      wanted: intent.terms[other],
      transaction: stored.attempts.at(-1)!.hash,
    },
    hint: 'a machine id has one token for ever: transfer that token, or use another machine id',
    exitCode: exitCodes.usage,
  })
}

async function requireFunds(rpc: Rpc, address: string, needed: bigint): Promise<void> {
  const balance = BigInt(await rpc.call<string>('eth_getBalance', [address, 'pending']))
  if (balance >= needed) return
  throw underfunded(address, { balance: ether(balance), 'needed at most': ether(needed) })
}

function underfunded(address: string, facts: Record<string, string>): ProxmintError {
  return new ProxmintError(`the signer ${address} cannot pay for the transaction`, {
    facts,
    hint: 'send it some of the coin of the chain, then run the same command again',
  })
}

function ether(wei: bigint): string {
  return `${formatEther(wei)} ETH`
}

/** Answers for a transaction that the node has, or whose nonce is used already. */
const HARMLESS = /already known|already imported|known transaction|nonce too low|already exists/i
/** Answers for too low fees: a later attempt pays more. */
const TOO_CHEAP = /underpriced|fee too low|max fee per gas less than block base fee/i

/** Sends the last attempt. Its receipt shows later whether it was mined. @throws ProxmintError if the chain rejects it. */
export async function broadcast(rpc: Rpc, { from, what, attempts }: StoredTransaction): Promise<void> {
  const { raw, hash } = attempts.at(-1)!
  const answer = await rpc.ask<string>('eth_sendRawTransaction', [raw])
  if ('result' in answer) return
  const { message } = answer.fault
  if (HARMLESS.test(message) || TOO_CHEAP.test(message)) return
  if (/insufficient funds/i.test(message)) throw underfunded(from, { answer: message })
  throw new ProxmintError(`the chain rejects the transaction: ${what}: ${message}`, {
    facts: { transaction: hash },
    hint: 'the signed transaction is kept: the same command sends it again',
  })
}
