import { readFile } from 'node:fs/promises'
import { hexlify, verifyMessage } from 'ethers'
import { readAccessData, readCredential, readCredentials } from '../../chain/credential.mts'
import { encryptForUser } from '../../chain/encryption.mts'
import { mintedToken, mintsBeforeBoot, requireAccess } from '../../credential/vm-token.mts'
import { type Entry, isToRun, withEvent } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import { codeOf, exitCodes, ProxmintError } from '../../run/errors.mts'
import { type Change, requireAllowed } from '../../terraform/costs.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { converge } from '../stack/converge.mts'
import { noteFailure, resumable } from './failure.mts'
import { rebootGuest } from './power.mts'
import { takeStep } from './steps.mts'
import { mintToken } from './token.mts'

/** Mints the token of a VM. A VM that was made without it gets the id by new user-data. */
export async function mintForVm(name: string, unlocked: VmContext): Promise<Entry> {
  return withVmLock(unlocked, name, 'mint', async context => {
    const entry = await requireEntry(context.store, name)
    requireAccess(entry)
    if (entry.phase === 'reserved') throw notMade(entry)
    if (entry.phase === 'created' && mintsBeforeBoot(entry)) return takeStep(entry, context)
    if (entry.token?.status === 'minted') return requireOnChain(entry, context)
    requireReboot(entry, context)
    try {
      return await mintLate(entry, context)
    } catch (error) {
      throw resumable(await noteFailure(context.store, entry, 'mint', error), error)
    }
  })
}

/**
 * Compares the token of the registry with the chain.
 * @returns the entry.
 * @throws ProxmintError where the chain does not have the token, or cannot be asked.
 */
async function requireOnChain(entry: Entry, { issuer }: VmContext): Promise<Entry> {
  const { id, place } = mintedToken(entry)!
  const { rpc, target } = (await issuer(place)).view
  const found = (await readCredentials(rpc, target.contract, [id])).get(id)
  if (found !== undefined) return entry
  const { name } = entry
  throw new ProxmintError(`token ${id} of ${name} is in the registry, and not on chain ${place.chainId}`, {
    facts: { contract: place.contract },
    hint:
      'is rpc_url in config/web3-defaults.yaml of the chain it was minted on? If that chain is gone, no wallet opens ' +
      `the VM any more: zx scripts/vm.mts destroy ${name}, and create it again`,
  })
}

/** A VM that runs gets the id at a boot. @throws ProxmintError (invalid) if nobody agreed to that; nothing is minted. */
function requireReboot(entry: Entry, { allowed = new Set() }: VmContext): void {
  if (!isToRun(entry)) return
  const { name } = entry
  const change: Change = { what: 'token', from: 'none', to: 'its own', cost: 'reboot' }
  requireAllowed(name, [change], { allowed, again: `zx scripts/mint.mts --vm ${name}` })
}

/** Mints and gives the id to the VM. Only then the token counts as minted: a run that dies in between is repeated. */
async function mintLate(entry: Entry, context: VmContext): Promise<Entry> {
  const minted = await mintToken(entry, context)
  const opened: Entry = { ...entry, ...minted }
  await converge(opened, { started: isToRun(entry), intent: 'update', asItIs: true }, context)
  // The account's GECOS field changes at a boot.
  if (isToRun(entry)) await rebootGuest(opened, context)
  return context.store.change(entry, one =>
    withEvent({ ...one, ...minted, failure: null }, `minted token ${opened.token!.id}`, new Date()),
  )
}

function notMade({ name }: Entry): ProxmintError {
  return new ProxmintError(`${name} is only reserved: a token is minted for a VM that exists`, {
    hint: `zx scripts/apply.mts ${name} makes it, with its token`,
    exitCode: exitCodes.usage,
  })
}

/**
 * Writes the address of the VM to the chain, encrypted for its owner.
 * @param signatureOrFile of the token's decrypt message by the token's holder.
 */
export async function updateCredential(
  name: string,
  signatureOrFile: string,
  unlocked: VmContext,
): Promise<Entry> {
  return withVmLock(unlocked, name, 'mint --update', async context => {
    const entry = await requireEntry(context.store, name)
    const token = mintedToken(entry)
    if (token === undefined) throw notMinted(entry)
    const issuer = await context.issuer(token.place)
    const { rpc, target } = issuer.view
    const [{ decryptMessage }, { owner }] = await Promise.all([
      readAccessData(rpc, target.contract, token.id),
      readCredential(rpc, target.contract, token.id),
    ])
    const signature = await signatureFrom(signatureOrFile)
    requireSignedBy(owner, decryptMessage, signature)
    await issuer.encryptForOwner(token.id, { signature, text: connectionText(entry) })
    return entry
  })
}

/** Adds to an entry the address of its VM, encrypted for its owner, to be minted with the token. */
export function withUserSignature(entry: Entry, signature: string): Entry {
  const { access, owner } = requireAccess(entry)
  requireSignedBy(owner, access.decryptMessage, signature)
  const userEncrypted = hexlify(encryptForUser(signature, connectionText(entry)))
  return { ...entry, design: { ...entry.design!, access: { ...access, userEncrypted } } }
}

/** The JSON that the tools of libpam-web3 read. */
function connectionText({ address, design }: Entry): string {
  return JSON.stringify({ hostname: address, port: 22, username: design!.cloudInit.username })
}

/**
 * Reads a signature: the option itself, the file that it names, or standard input for `-`. Other users of the machine
 * see an option, and the signature decrypts what is encrypted with it.
 * @throws ProxmintError (usage)
 */
export async function signatureFrom(text: string): Promise<string> {
  if (isSignature(text)) return text
  const read = await readFile(text === '-' ? '/dev/stdin' : text, 'utf8').catch(cause => {
    throw new ProxmintError(`--user-signature is neither a signature nor a file: ${codeOf(cause)}`, {
      hint: '0x and 130 hex digits, or the name of a file with them; - reads standard input',
      exitCode: exitCodes.usage,
    })
  })
  if (isSignature(read.trim())) return read.trim()
  throw new ProxmintError('what --user-signature names holds no signature', {
    hint: '0x and 130 hex digits, as a wallet gives them for personal_sign',
    exitCode: exitCodes.usage,
  })
}

function isSignature(text: string): boolean {
  return /^0x[0-9a-fA-F]{130}$/.test(text)
}

/** @throws ProxmintError (usage): with another signature nobody could read it again. */
function requireSignedBy(owner: string, message: string, signature: string): void {
  if (signerOf(message, signature) === owner) return
  throw new ProxmintError(`the signature is not ${owner}'s, or of another text`, {
    facts: { 'to sign': message },
    hint: 'sign exactly that text with the wallet (personal_sign)',
    exitCode: exitCodes.usage,
  })
}

function signerOf(message: string, signature: string): string | undefined {
  try {
    return verifyMessage(message, signature)
  } catch {
    return undefined
  }
}

function notMinted({ name }: Entry): ProxmintError {
  return new ProxmintError(`${name} has no token on the chain`, {
    hint: `zx scripts/vm.mts show ${name}`,
    exitCode: exitCodes.usage,
  })
}
