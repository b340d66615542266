import { formatEther, Transaction } from 'ethers'
import { checkpoint } from '../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { bumpedFees, currentFees, type Fees } from './fees.mts'
import { estimateGas } from './gas.mts'
import type { Journal, StoredTransaction } from './journal.mts'
import type { Rpc } from './rpc.mts'
import type { Signer } from './signer.mts'

/** What sending needs. */
export interface Sending {
  rpc: Rpc
  signer: Signer
  journal: Journal
  /** A higher tip that a server names is refused. */
  maxTipGwei: number
}

/** A transaction that is wanted, not signed yet. */
export interface WantedTransaction extends Pick<StoredTransaction, 'key' | 'what' | 'terms' | 'to'> {
  /** The call's data; asked for only where nothing was signed for the key yet. */
  data(): string
}

/**
 * Signs, stores and sends what was not signed before; sends again what was and is not known to the chain. In the order
 * given, each with the next nonce.
 * @returns what stands in the journal now, one per intent.
 * @throws ProxmintError where something else was signed for the same key, or the signer cannot pay.
 */
export async function submit(sending: Sending, intents: WantedTransaction[]): Promise<StoredTransaction[]> {
  return sending.journal.whileSigning(sending.signer.address, async signal => {
    const known = await Promise.all(intents.map(({ key }) => sending.journal.get(key)))
    const fresh = intents.filter((_, index) => known[index] === undefined)
    for (const [index, intent] of intents.entries()) if (known[index]) requireSameTerms(known[index], intent)
    const nonce = await nextNonce(sending)
    const signed = await signAll(sending, fresh, nonce)
    requireLock(signal)
    await Promise.all(signed.map(transaction => sending.journal.put(transaction)))
    checkpoint('mint-stored')
    for (const transaction of signed) await broadcast(sending.rpc, transaction)
    checkpoint('mint-sent')
    return intents.map(({ key }, index) => known[index] ?? signed.find(found => found.key === key)!)
  })
}

/** Signs the same once more with higher fees, so that it replaces what is stuck. @returns what is stored now. */
export async function bump(sending: Sending, stuck: StoredTransaction): Promise<StoredTransaction> {
  return sending.journal.whileSigning(sending.signer.address, async signal => {
    const stored = await sending.journal.get(stuck.key)
    // Another run did it meanwhile, or gave it up and signed anew.
    if (stored?.nonce !== stuck.nonce) return stored ?? stuck
    if (stored.attempts.length > stuck.attempts.length) return stored
    const fees = bumpedFees(feesOf(stored), await currentFees(sending.rpc, sending.maxTipGwei))
    // One that was certain before a reorganisation is so no more.
    const { receipt: _, settled: __, ...sent } = stored
    const bumped = { ...sent, attempts: [...sent.attempts, await attempt(sending, sent, fees)] }
    requireLock(signal)
    await sending.journal.put(bumped)
    await broadcast(sending.rpc, bumped)
    return bumped
  })
}

function requireLock(signal: AbortSignal): void {
  if (signal.aborted)
    throw new ProxmintError('the lock of the signer was lost; nothing was signed', { hint: 'run it again' })
}

/**
 * After everything that is signed, whether the chain knows it or not. What it does not know is sent again first: a gap
 * would hold up all that comes after it.
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

/** Whether a server has its last attempt, mined or waiting. */
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
    intents.map(async ({ data: makeData, ...intent }, index) => {
      const data = makeData()
      const gasLimit = await estimateGas(sending.rpc, { from, to: intent.to, data }, intent.what)
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
    hint: 'a machine id has one token for ever; it can be transferred, and another machine id can have its own',
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

/** What a node says of a transaction that it has, or that it, or one in its stead, was mined already. */
const harmless = /already known|already imported|known transaction|nonce too low|already exists/i
/** Left as it is: a later attempt pays more. */
const tooCheap = /underpriced|fee too low|max fee per gas less than block base fee/i

/** Sends the last attempt. Whether it is mined is for the receipt to say. */
export async function broadcast(rpc: Rpc, { from, what, attempts }: StoredTransaction): Promise<void> {
  const answer = await rpc.ask<string>('eth_sendRawTransaction', [attempts.at(-1)!.raw])
  if ('result' in answer || harmless.test(answer.fault.message) || tooCheap.test(answer.fault.message)) return
  if (/insufficient funds/i.test(answer.fault.message))
    throw underfunded(from, { answer: answer.fault.message })
  throw new ProxmintError(`the chain does not take the transaction: ${what}: ${answer.fault.message}`, {
    facts: { transaction: attempts.at(-1)!.hash },
    hint: 'it is signed and kept: run the same command again, and it is sent again',
  })
}
