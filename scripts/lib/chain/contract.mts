import { readFile } from 'node:fs/promises'
import { Interface, type InterfaceAbi } from 'ethers'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import type { Rpc } from './rpc.mts'

/** Which `mint` a contract has; libpam-web3 0.2 and 0.4 differ in it. */
export type Profile = 'v0.2' | 'v0.4'

const buildFile = new URL('../../../contracts/build/AccessCredentialNFT.json', import.meta.url)

export interface ContractBuild {
  abi: InterfaceAbi
  /** Hex with 0x; the encoded constructor arguments follow it in a deployment. */
  bytecode: string
}

export async function readBuild(): Promise<ContractBuild> {
  return JSON.parse(await readFile(buildFile, 'utf8')) as ContractBuild
}

/** What both profiles have, and both `mint`s. */
export const credentialInterface = new Interface([
  'function mint(address to, bytes userEncrypted, string decryptMessage, string description, string imageUri, string animationUrlBase64, uint256 expiresAt) returns (uint256)',
  'function mint(address to, bytes serverEncrypted, bytes userEncrypted, string decryptMessage, string description, string imageUri, uint256 expiresAt) returns (uint256)',
  'function owner() view returns (address)',
  'function ownerOf(uint256 tokenId) view returns (address)',
  'function name() view returns (string)',
  'function symbol() view returns (string)',
  'function totalSupply() view returns (uint256)',
  'function getAccessData(uint256 tokenId) view returns (bytes userEncrypted, string decryptMessage, uint256 issuedAt, uint256 expiresAt)',
  'function transferOwnership(address newOwner)',
  'function updateExpiration(uint256 tokenId, uint256 newExpiration)',
  'function updateUserEncrypted(uint256 tokenId, bytes newUserEncrypted)',
  'event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)',
  'event CredentialMinted(uint256 indexed tokenId, address indexed recipient, uint256 issuedAt, uint256 expiresAt)',
  'error InvalidAccessData()',
  'error CredentialExpired(uint256 tokenId, uint256 expiresAt)',
  'error ExpirationTooLate(uint256 expiresAt)',
  'error SigningPageTooLarge(uint256 size, uint256 limit)',
  'error OwnableUnauthorizedAccount(address account)',
  'error ERC721InvalidReceiver(address receiver)',
  'error ERC721NonexistentToken(uint256 tokenId)',
])

/** The full signatures of both `mint`s, by which ethers tells them apart. */
export const mintSignatures: Record<Profile, string> = {
  'v0.2': 'mint(address,bytes,bytes,string,string,string,uint256)',
  'v0.4': 'mint(address,bytes,string,string,string,string,uint256)',
}

const commonSelectors = ['owner', 'tokenOfOwnerByIndex'].map(name =>
  new Interface(['function owner()', 'function tokenOfOwnerByIndex(address, uint256)'])
    .getFunction(name)!
    .selector.slice(2),
)

/** The profile of deployed code; undefined where it is no credential contract. @param code hex with 0x. */
export function profileOf(code: string): Profile | undefined {
  const has = (selector: string): boolean => code.includes(`63${selector}`)
  if (!commonSelectors.every(has)) return undefined
  return (['v0.4', 'v0.2'] as const).find(profile =>
    has(credentialInterface.getFunction(mintSignatures[profile])!.selector.slice(2)),
  )
}

/**
 * The profile of the contract at an address.
 * @param wanted `auto`: look at its code, which cannot be seen through a proxy.
 * @throws ProxmintError (invalid) where there is no code, or that of something else.
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
  throw new ProxmintError(`the contract at ${contract} is no contract of access credentials`, {
    hint: 'correct nft_contract in config/web3-defaults.yaml; behind a proxy, set its profile there',
    exitCode: exitCodes.invalid,
  })
}

/** One view of the contract, decoded. */
export async function readView<T>(
  rpc: Rpc,
  contract: string,
  name: string,
  args: unknown[] = [],
): Promise<T> {
  const data = credentialInterface.encodeFunctionData(name, args)
  const result = await rpc.call<string>('eth_call', [{ to: contract, data }, 'latest'])
  return credentialInterface.decodeFunctionResult(name, result)[0] as T
}
