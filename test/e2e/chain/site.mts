import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Contract, type InterfaceAbi, JsonRpcProvider, type TransactionRequest, Wallet } from 'ethers'
import { onTestFinished } from 'vitest'
import { type Chain, type ChainOptions, startChain } from '../../../lab/chain/chain.mts'
import { deployCredentials } from '../../../lab/chain/deploy.mts'
import type { MintTarget } from '../../../scripts/lib/chain/mint.mts'
import type { Settling } from '../../../scripts/lib/chain/settle.mts'
import { settlingOf } from './settling.mts'

/** A chain with the contract on it, and a project that mints there. */
export interface Site {
  chain: Chain
  contract: Contract
  target: MintTarget
  folder: string
  settling: Settling
  rpc<T>(method: string, params?: unknown[]): Promise<T>
  /** A transaction of the contract's owner that proxmint knows nothing of. */
  signed(transaction: TransactionRequest, nonce: number): Promise<string>
  /** Runs a command of proxmint to its end. */
  run(args: string[], env?: NodeJS.ProcessEnv): Promise<Ended>
  /** Starts a command of proxmint, which is ended at the end of the test. */
  start(args: string[], env?: NodeJS.ProcessEnv): { pid: number; ended: Promise<Ended> }
}

export interface Ended {
  code: number | string | null
  signal: string | null
  stdout: string
  stderr: string
}

const repository = resolve(import.meta.dirname, '../../..')
const build = new URL('../../../contracts/build/AccessCredentialNFT.json', import.meta.url)

/** Gone when the test ends. */
export async function openSite(options: ChainOptions = {}): Promise<Site> {
  const chain = await startChain({ blockTimeSeconds: 1, ...options })
  onTestFinished(() => chain.close())
  const address = await deployCredentials(chain)
  const folder = await projectFolder(chain, address)
  const connection = await connect(chain, address)
  const target = { contract: address, profile: 'v0.4' as const, serverPublicKey: undefined }
  const settling = await settlingOf(chain, folder)
  const start: Site['start'] = (args, env) => startIn(folder, chain, args, env)
  return { chain, ...connection, target, folder, settling, start, run: (...run) => start(...run).ended }
}

async function projectFolder(chain: Chain, address: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-chain-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'config'))
  await writeFile(join(folder, 'config/proxmint.yaml'), '')
  await writeFile(join(folder, 'config/web3.yaml'), webConfig(chain, address))
  await writeFile(join(folder, 'signer'), chain.accounts[0]!.privateKey, { mode: 0o600 })
  return folder
}

function webConfig({ chainId, rpcUrl }: Chain, address: string): string {
  return `chain_id: ${chainId}\nnft_contract: "${address}"\nrpc_url: ${rpcUrl}\ndeployer: { private_key_file: signer }\n`
}

async function connect(chain: Chain, address: string): Promise<Pick<Site, 'contract' | 'rpc' | 'signed'>> {
  const provider = new JsonRpcProvider(chain.rpcUrl, chain.chainId, {
    staticNetwork: true,
    cacheTimeout: -1,
    pollingInterval: 200,
  })
  onTestFinished(() => provider.destroy())
  const { abi } = JSON.parse(await readFile(build, 'utf8')) as { abi: InterfaceAbi }
  const signer = new Wallet(chain.accounts[0]!.privateKey, provider)
  const fees = { maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 10n ** 10n, gasLimit: 1_000_000, type: 2 }
  return {
    contract: new Contract(address, abi, signer),
    rpc: (method, params = []) => provider.send(method, params),
    signed: (transaction, nonce) =>
      signer.signTransaction({ ...transaction, ...fees, nonce, chainId: chain.chainId }),
  }
}

function startIn(
  folder: string,
  chain: Chain,
  args: string[],
  env: NodeJS.ProcessEnv = {},
): ReturnType<Site['start']> {
  const variables = {
    PROXMINT_CONFIG: join(folder, 'config/proxmint.yaml'),
    PROXMINT_WEB3: join(folder, 'config/web3.yaml'),
    PROXMINT_RPC_URL: chain.rpcUrl,
  }
  const options = { cwd: repository, env: { ...process.env, ...variables, ...env } }
  const { promise: ended, resolve } = Promise.withResolvers<Ended>()
  const child = execFile(process.execPath, args, options, (error, stdout, stderr) => {
    resolve({ code: error?.code ?? (error ? null : 0), signal: error?.signal ?? null, stdout, stderr })
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return { pid: child.pid!, ended }
}
