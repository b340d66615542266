import { resolve } from 'node:path'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { projectRoot } from './load.mts'
import type { SchemaFault } from './schema-faults.mts'
import { readOptionalYamlFile } from './yaml-file.mts'

/** Loads `config/web3-defaults.yaml`: chain, contract, signer and login page. */

/** Content of the file, with defaults filled in. */
export interface Web3Config {
  chainId: number
  /** Address as written in the file; its checksum is not checked here. */
  nftContract: string | undefined
  /** URLs in the order in which they are tried; may be empty. */
  rpcUrls: string[]
  /** URL that VMs ask; every VM knows it. */
  guestRpcUrl: string | undefined
  profile: 'auto' | 'v0.2' | 'v0.4'
  /** Blocks that must hold a transaction, its own included. */
  confirmations: number
  /** Highest tip that a server may demand, in gwei per gas. */
  maxTipGwei: number
  /** Wallets that may be contracts, as written in the file. */
  contractWallets: string[]
  /** Absolute path. */
  privateKeyFile: string | undefined
  /** Point on secp256k1, hex without 0x. */
  serverPublicKey: string | undefined
  signingPagePort: number
  otpLength: number
  otpTtlSeconds: number
}

/** Content of the file as parsed. A group is null if all its keys are commented out. */
interface Web3File {
  chain_id?: number
  nft_contract?: string
  rpc_url?: string | string[]
  guest_rpc_url?: string
  profile?: Web3Config['profile']
  confirmations?: number
  max_tip_gwei?: number
  contract_wallets?: string[]
  deployer?: { private_key_file?: string } | null
  server?: { public_key?: string } | null
  signing_page?: { port?: number } | null
  auth?: { otp_length?: number; otp_ttl_seconds?: number } | null
}

/** Path of the file, from the project's root; PROXMINT_WEB3 names another file. */
const SAMPLE = 'config/web3-defaults.yaml'

/** Path of the file for this run. */
export function web3FilePath(): string {
  return process.env['PROXMINT_WEB3'] ?? SAMPLE
}

const SCHEMA = new URL('../../../config/web3-defaults.schema.json', import.meta.url)

/**
 * Loads the file. PROXMINT_RPC_URL overrides `rpc_url`. Without a file, the defaults of the sample file apply.
 * @throws ProxmintError (invalid) that lists every fault with its path, line and the nearest known key.
 */
export async function loadWeb3(env: NodeJS.ProcessEnv = process.env): Promise<Web3Config> {
  const file = await readOptionalYamlFile<Web3File>(
    {
      variable: 'PROXMINT_WEB3',
      sample: SAMPLE,
      schema: SCHEMA,
      moreFaults: file => [
        ...urlFaults('rpc_url', listOf(file.rpc_url)),
        ...urlFaults('guest_rpc_url', listOf(file.guest_rpc_url)),
      ],
    },
    env,
  )
  const keyFile = file.deployer?.private_key_file
  return {
    chainId: file.chain_id ?? 11155111,
    nftContract: file.nft_contract,
    rpcUrls: environmentUrls(env) ?? listOf(file.rpc_url),
    guestRpcUrl: file.guest_rpc_url ?? listOf(file.rpc_url)[0],
    profile: file.profile ?? 'auto',
    confirmations: file.confirmations ?? 2,
    maxTipGwei: file.max_tip_gwei ?? 100,
    contractWallets: file.contract_wallets ?? [],
    privateKeyFile: keyFile === undefined ? undefined : resolve(projectRoot(env), keyFile),
    serverPublicKey: file.server?.public_key?.replace(/^0x/, ''),
    signingPagePort: file.signing_page?.port ?? 8080,
    otpLength: file.auth?.otp_length ?? 6,
    otpTtlSeconds: file.auth?.otp_ttl_seconds ?? 300,
  }
}

function listOf(urls: string | string[] | undefined): string[] {
  return urls === undefined ? [] : [urls].flat()
}

function environmentUrls(env: NodeJS.ProcessEnv): string[] | undefined {
  const text = env['PROXMINT_RPC_URL']?.trim() ?? ''
  if (text === '') return undefined
  const urls = text.split(',').map(url => url.trim())
  if (urls.every(isHttpUrl)) return urls
  throw new ProxmintError('PROXMINT_RPC_URL must hold http or https URLs only', {
    hint: 'separate several with commas',
    exitCode: exitCodes.invalid,
  })
}

/** Lists a wrong URL. The sentence leaves the URL out, because it may hold an API key. */
function urlFaults(key: string, urls: string[]): SchemaFault[] {
  if (urls.every(isHttpUrl)) return []
  const what = key === 'rpc_url' ? 'an http or https URL, or a list of them' : 'an http or https URL'
  return [{ path: [key], sentence: `${key} must be ${what}` }]
}

function isHttpUrl(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
}
