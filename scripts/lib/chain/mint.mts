import { randomBytes } from 'node:crypto'
import { getAddress } from 'ethers'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { credentialInterface, MINT_SIGNATURES, type Profile } from './contract.mts'
import { encryptFor } from './encryption.mts'
import { execute } from './execute.mts'
import type { Receipt } from './receipt.mts'
import type { Settling } from './settle.mts'
import type { WantedTransaction } from './submit.mts'
import { requireMintedToken } from './witness.mts'

/** Credential to mint. */
export interface MintRequest {
  /** EIP-55. */
  wallet: string
  /** Name of the machine for its owner. Only profile v0.2 stores it on the chain, encrypted. */
  machineId: string
  /**
   * Random id of a VM's entry, which has one token for ever. So a later VM of the same name gets its own token. Without
   * it, the machine id has one token for ever.
   */
  entryId?: string
  /** Unix seconds; 0: never. */
  expiresAt: number
  /** Text that the owner signs to get the key to `userEncrypted`. Default: a random one. */
  decryptMessage?: string
  /** Hex with 0x. Default: `0x`, empty. */
  userEncrypted?: string
}

export interface MintTarget {
  /** EIP-55. */
  contract: string
  profile: Profile
  /** Public key, hex: profile v0.2 encrypts machine ids for it. */
  serverPublicKey: string | undefined
}

export interface MintedCredential extends MintRequest {
  contract: string
  /** Decimal; 0 is a valid token id. */
  tokenId: string
  transactionHash: string
  blockNumber: number
  gasUsed: string
}

/** A mint needs about 350 000. A wallet that is a contract may spend more when it receives a token. */
export const MINT_GAS_LIMIT = 1_000_000n

const MACHINE_ID = /^[a-z0-9][a-z0-9._-]{0,62}$/

/** Checks a machine id, which becomes a file name and part of the text that the owner signs. @throws ProxmintError (usage) */
export function checkedMachineId(text: string): string {
  if (MACHINE_ID.test(text)) return text
  throw new ProxmintError(`\`${text}\` is not a machine id`, {
    hint: 'use at most 63 lower-case letters, digits, dots, hyphens and underscores, and begin with a letter or digit',
    exitCode: exitCodes.usage,
  })
}

/**
 * Mints a token for each request; all transactions are sent before the first is confirmed. A token that was minted before
 * for the same machine id and wallet is returned, not minted again. Each token is asked for once more on every server.
 * @throws ProxmintError as `execute` and `requireMintedToken`; signed transactions are kept, and the same call continues with them.
 */
export async function mintCredentials(
  settling: Settling,
  target: MintTarget,
  requests: MintRequest[],
): Promise<MintedCredential[]> {
  requireDistinct(requests)
  const receipts = await execute(
    settling,
    requests.map(request => mintIntent(target, request)),
  )
  const minted = requests.map((request, index) => credentialOf(target, request, receipts[index]!))
  await Promise.all(minted.map(credential => requireOwnMint(settling, target, credential)))
  return minted
}

/** Compares the token of a receipt with the transaction that was signed for it. @throws ProxmintError as `requireMintedToken`. */
async function requireOwnMint(
  settling: Settling,
  target: MintTarget,
  credential: MintedCredential,
): Promise<void> {
  const { data } = (await settling.journal.get(mintKey(target, credential)))!
  const mint = credentialInterface.parseTransaction({ data })!
  await requireMintedToken(settling, { ...credential, decryptMessage: mint.args.getValue('decryptMessage') })
}

function requireDistinct(requests: MintRequest[]): void {
  const ids = requests.map(({ machineId, entryId }) => (entryId === undefined ? machineId : `@${entryId}`))
  const twice = ids.find((id, index) => ids.indexOf(id) !== index)
  if (twice === undefined) return
  throw new ProxmintError(`two tokens are requested for ${twice}`, {
    hint: 'name each machine once',
    exitCode: exitCodes.usage,
  })
}

function mintIntent(target: MintTarget, request: MintRequest): WantedTransaction {
  const { wallet, machineId, entryId } = request
  return {
    key: mintKey(target, request),
    what: `the mint for ${machineId}`,
    terms: { wallet, ...(entryId !== undefined && { machineId }) },
    to: target.contract,
    mostGas: MINT_GAS_LIMIT,
    data: () => mintData(target, request),
  }
}

/** Key in the journal. A machine id contains no `@`, so it cannot equal an entry id. */
function mintKey({ contract }: MintTarget, { machineId, entryId }: MintRequest): string {
  const subject = entryId === undefined ? checkedMachineId(machineId) : `@${checkedMachineId(entryId)}`
  return `mint-${contract.slice(2, 10).toLowerCase()}-${subject}`
}

/** Makes a random message: its signature is the key to the text that is encrypted for the owner. */
export function newDecryptMessage(wallet: string): string {
  return `libpam-web3:${wallet}:${randomBytes(16).toString('hex')}`
}

/** Data of the transaction, hex with 0x. It holds no host name, because everybody can read the chain. */
export function mintData({ profile, serverPublicKey }: MintTarget, request: MintRequest): string {
  const { wallet, machineId, expiresAt, userEncrypted = '0x' } = request
  const message = request.decryptMessage ?? newDecryptMessage(wallet)
  const description = 'Opens one virtual machine for its owner'
  if (profile === 'v0.4') {
    const values = [wallet, userEncrypted, message, description, '', '', expiresAt]
    return credentialInterface.encodeFunctionData(MINT_SIGNATURES[profile], values)
  }
  const encrypted = encryptFor(requireServerKey(serverPublicKey), machineId)
  const values = [wallet, encrypted, userEncrypted, message, description, '', expiresAt]
  return credentialInterface.encodeFunctionData(MINT_SIGNATURES[profile], values)
}

function requireServerKey(key: string | undefined): string {
  if (key !== undefined) return key
  throw new ProxmintError('profile v0.2 encrypts the machine id, but no key for that is configured', {
    hint: 'set server.public_key in config/web3-defaults.yaml to the public half of the key in the VMs',
    exitCode: exitCodes.invalid,
  })
}

const MINTED_EVENT = credentialInterface.getEvent('CredentialMinted')!

/** Credential of a receipt, with the token id of its event. @throws ProxmintError if there is not exactly one event. */
function credentialOf(target: MintTarget, request: MintRequest, receipt: Receipt): MintedCredential {
  const events = receipt.logs
    .filter(
      ({ address, topics }) =>
        getAddress(address) === target.contract && topics[0] === MINTED_EVENT.topicHash,
    )
    .map(log => credentialInterface.decodeEventLog(MINTED_EVENT, log.data, log.topics))
  const minted = events.filter(event => event['recipient'] === request.wallet)
  if (events.length !== 1 || minted.length !== 1) {
    throw new ProxmintError(`the receipt of the mint for ${request.machineId} does not name one token id`, {
      facts: { transaction: receipt.transactionHash, events: events.length },
      hint: 'proxmint does not know this contract: look at the transaction before you mint again',
    })
  }
  return {
    ...request,
    expiresAt: Number(minted[0]!['expiresAt']),
    contract: target.contract,
    tokenId: String(minted[0]!['tokenId']),
    transactionHash: receipt.transactionHash,
    blockNumber: Number(receipt.blockNumber),
    gasUsed: String(BigInt(receipt.gasUsed)),
  }
}
