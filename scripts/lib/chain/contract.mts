import { readFile } from 'node:fs/promises'
import { Interface, type InterfaceAbi } from 'ethers'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import type { Rpc } from './rpc.mts'

/** Kind of a contract by its `mint`, which differs between libpam-web3 0.2 and 0.4. */
export type Profile = 'v0.2' | 'v0.4'

const BUILD_FILE = new URL('../../../contracts/build/AccessCredentialNFT.json', import.meta.url)

export interface ContractBuild {
  abi: InterfaceAbi
  /** Hex with 0x; the encoded constructor arguments follow it in a deployment. */
  bytecode: string
}

export async function readBuild(): Promise<ContractBuild> {
  return JSON.parse(await readFile(BUILD_FILE, 'utf8')) as ContractBuild
}

/** Functions, events and errors of both profiles, with both `mint`s. */
export const credentialInterface = new Interface([
  'function mint(address to, bytes userEncrypted, string decryptMessage, string description, string imageUri, string animationUrlBase64, uint256 expiresAt) returns (uint256)',
  'function mint(address to, bytes serverEncrypted, bytes userEncrypted, string decryptMessage, string description, string imageUri, uint256 expiresAt) returns (uint256)',
  'function owner() view returns (address)',
  'function ownerOf(uint256 tokenId) view returns (address)',
  'function name() view returns (string)',
  'function symbol() view returns (string)',
  'function totalSupply() view returns (uint256)',
  'function tokenOfOwnerByIndex(address owner, uint256 index) view returns (uint256)',
  'function getAccessData(uint256 tokenId) view returns (bytes userEncrypted, string decryptMessage, uint256 issuedAt, uint256 expiresAt)',
  'function transferOwnership(address newOwner)',
  'function pendingOwner() view returns (address)',
  'function acceptOwnership()',
  'function updateExpiration(uint256 tokenId, uint256 newExpiration)',
  'function updateUserEncrypted(uint256 tokenId, bytes newUserEncrypted)',
  'event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)',
  'event CredentialMinted(uint256 indexed tokenId, address indexed recipient, uint256 issuedAt, uint256 expiresAt)',
  'error InvalidAccessData()',
  'error CredentialExpired(uint256 tokenId, uint256 expiresAt)',
  'error ExpirationTooLate(uint256 expiresAt)',
  'error SigningPageTooLarge(uint256 size, uint256 limit)',
  'error OwnableUnauthorizedAccount(address account)',
  'error OwnershipMustStay()',
  'error ERC721InvalidReceiver(address receiver)',
  'error ERC721NonexistentToken(uint256 tokenId)',
])

/** Full signatures of both `mint`s, which ethers needs to choose one. */
export const MINT_SIGNATURES: Record<Profile, string> = {
  'v0.2': 'mint(address,bytes,bytes,string,string,string,uint256)',
  'v0.4': 'mint(address,bytes,string,string,string,string,uint256)',
}

/** Checks whether deployed code has a function. @param code hex with 0x. @param name as in `credentialInterface`. */
function hasFunction(code: string, name: string): boolean {
  // 63 is PUSH4: the code compares the selector of a call with each of its own.
  return code.includes(`63${credentialInterface.getFunction(name)!.selector.slice(2)}`)
}

/** Finds the profile of deployed code; undefined if it is not a credential contract. @param code hex with 0x. */
export function profileOf(code: string): Profile | undefined {
  if (!hasFunction(code, 'owner') || !hasFunction(code, 'tokenOfOwnerByIndex')) return undefined
  return (['v0.4', 'v0.2'] as const).find(profile => hasFunction(code, MINT_SIGNATURES[profile]))
}

/** Checks whether a new owner has to accept the contract. Contracts of older versions change hands at once. */
export async function hasTwoSteps(rpc: Rpc, contract: string): Promise<boolean> {
  return hasFunction(await rpc.call<string>('eth_getCode', [contract, 'latest']), 'acceptOwnership')
}

/**
 * Finds the profile of the contract at an address.
 * @param wanted `auto`: by its code, which does not work behind a proxy. Otherwise that profile.
 * @throws ProxmintError (invalid) if there is no contract, or another kind of contract.
 */
export async function findProfile(rpc: Rpc, contract: string, wanted: Profile | 'auto'): Promise<Profile> {
  const code = await rpc.call<string>('eth_getCode', [contract, 'latest'])
  if (code === '0x') {
    throw new ProxmintError(`there is no contract at ${contract} on chain ${rpc.chainId}`, {
      hint: 'correct nft_contract in config/web3-defaults.yaml, or run `zx scripts/contract.mts deploy`',
      exitCode: exitCodes.invalid,
    })
  }
  const profile = wanted === 'auto' ? profileOf(code) : wanted
  if (profile !== undefined) return profile
  throw new ProxmintError(`the contract at ${contract} is not a contract of access credentials`, {
    hint: 'correct nft_contract in config/web3-defaults.yaml; behind a proxy, set its profile there',
    exitCode: exitCodes.invalid,
  })
}

/** Calls a view of the contract that takes no arguments. @returns its first value, decoded. */
export async function readView<T>(rpc: Rpc, contract: string, name: string): Promise<T> {
  const data = credentialInterface.encodeFunctionData(name)
  const result = await rpc.call<string>('eth_call', [{ to: contract, data }, 'latest'])
  return credentialInterface.decodeFunctionResult(name, result)[0] as T
}
