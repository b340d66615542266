import { randomBytes } from 'node:crypto'
import { getAddress } from 'ethers'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { credentialInterface, mintSignatures, type Profile } from './contract.mts'
import { encryptFor } from './ecies.mts'
import { execute } from './execute.mts'
import type { Receipt } from './receipt.mts'
import type { Settling } from './settle.mts'
import type { WantedTransaction } from './submit.mts'

/** One credential that is wanted. */
export interface MintRequest {
  /** EIP-55. */
  wallet: string
  /** Names the machine to its owner. It goes on the chain in profile v0.2 alone, and encrypted. */
  machineId: string
  /**
   * What has one token for ever, where it is not the machine id: the random id of a VM's entry, so that a later VM of
   * the same name has a token of its own.
   */
  entryId?: string
  /** Unix seconds; 0 is never. */
  expiresAt: number
  /** What the owner signs to get the key to `userEncrypted`; one of its own where it is left out. */
  decryptMessage?: string
  /** Hex with 0x. Default: nothing. */
  userEncrypted?: string
}

export interface MintTarget {
  /** EIP-55. */
  contract: string
  profile: Profile
  /** Hex; what profile v0.2 encrypts machine ids for. */
  serverPublicKey: string | undefined
}

export interface MintedCredential extends MintRequest {
  contract: string
  /** Decimal; 0 is a token id like any other. */
  tokenId: string
  transactionHash: string
  blockNumber: number
  gasUsed: string
}

const machineIdPattern = /^[a-z0-9][a-z0-9._-]{0,62}$/

/** @throws ProxmintError (usage): it becomes a file's name, and part of the text the owner signs. */
export function checkedMachineId(text: string): string {
  if (machineIdPattern.test(text)) return text
  throw new ProxmintError(`\`${text}\` is no machine id`, {
    hint: 'lower-case letters, digits, dots, hyphens and underscores, at most 63, a letter or digit first',
    exitCode: exitCodes.usage,
  })
}

/**
 * Mints one token per request, in pipelined transactions. What was minted before for the same machine id and wallet is
 * returned and not minted again.
 * @throws ProxmintError; whatever was signed until then is kept, and the same call goes on with it.
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
  return requests.map((request, index) => credentialOf(target, request, receipts[index]!))
}

function requireDistinct(requests: MintRequest[]): void {
  const ids = requests.map(({ machineId, entryId }) => (entryId === undefined ? machineId : `@${entryId}`))
  const twice = ids.find((id, index) => ids.indexOf(id) !== index)
  if (twice === undefined) return
  throw new ProxmintError(`two tokens are wanted for ${twice}`, { exitCode: exitCodes.usage })
}

function mintIntent(target: MintTarget, request: MintRequest): WantedTransaction {
  const { wallet, machineId, entryId } = request
  return {
    key: mintKey(target, request),
    what: `the mint for ${machineId}`,
    terms: { wallet, ...(entryId !== undefined && { machineId }) },
    to: target.contract,
    data: () => mintData(target, request),
  }
}

/** An `@` is in no machine id. */
function mintKey({ contract }: MintTarget, { machineId, entryId }: MintRequest): string {
  const subject = entryId === undefined ? checkedMachineId(machineId) : `@${checkedMachineId(entryId)}`
  return `mint-${contract.slice(2, 10).toLowerCase()}-${subject}`
}

/** Unlike any other: a signature of it is the key to what is encrypted for the owner. */
export function newDecryptMessage(wallet: string): string {
  return `libpam-web3:${wallet}:${randomBytes(16).toString('hex')}`
}

/** No host name is in it: everybody can read the chain. */
export function mintData({ profile, serverPublicKey }: MintTarget, request: MintRequest): string {
  const { wallet, machineId, expiresAt, userEncrypted = '0x' } = request
  const message = request.decryptMessage ?? newDecryptMessage(wallet)
  const description = 'Opens one virtual machine for its owner'
  if (profile === 'v0.4') {
    const values = [wallet, userEncrypted, message, description, '', '', expiresAt]
    return credentialInterface.encodeFunctionData(mintSignatures[profile], values)
  }
  const encrypted = encryptFor(requireServerKey(serverPublicKey), machineId)
  const values = [wallet, encrypted, userEncrypted, message, description, '', expiresAt]
  return credentialInterface.encodeFunctionData(mintSignatures[profile], values)
}

function requireServerKey(key: string | undefined): string {
  if (key !== undefined) return key
  throw new ProxmintError('profile v0.2 encrypts the machine id, and no key to do so is configured', {
    hint: 'set server.public_key in config/web3-defaults.yaml to the public half of the key in the VMs',
    exitCode: exitCodes.invalid,
  })
}

const mintedEvent = credentialInterface.getEvent('CredentialMinted')!

/** The token id is the one the contract tells in the receipt, and no other. */
function credentialOf(target: MintTarget, request: MintRequest, receipt: Receipt): MintedCredential {
  const events = receipt.logs
    .filter(
      ({ address, topics }) => getAddress(address) === target.contract && topics[0] === mintedEvent.topicHash,
    )
    .map(log => credentialInterface.decodeEventLog(mintedEvent, log.data, log.topics))
  const minted = events.filter(event => event['recipient'] === request.wallet)
  if (events.length !== 1 || minted.length !== 1) {
    throw new ProxmintError(`the receipt of the mint for ${request.machineId} does not tell one token id`, {
      facts: { transaction: receipt.transactionHash, events: events.length },
      hint: 'the contract is none that proxmint knows: look at the transaction before you mint again',
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
