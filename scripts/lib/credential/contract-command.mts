import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { formatEther } from 'ethers'
import { readBuild, readView } from '../chain/contract.mts'
import { type DeployedContract, deployContract, deploymentData, forgetDeployment } from '../chain/deploy.mts'
import { currentFees } from '../chain/fees.mts'
import { estimateGas } from '../chain/gas.mts'
import { createRpc } from '../chain/rpc.mts'
import type { Settling } from '../chain/settle.mts'
import { transferOwnership } from '../chain/update.mts'
import { checkedAddress } from '../chain/wallet.mts'
import { setYamlValue } from '../config/set-yaml-value.mts'
import { web3FilePath } from '../config/web3.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { counted } from '../run/counted.mts'
import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'
import { withProgress } from '../run/progress.mts'
import { openSite, type Site } from '../site/site.mts'
import { openChainView, openSettling } from './chain-view.mts'
import { openAsOwner } from './issuer.mts'

export const contractVerbs = ['deploy', 'show', 'hand-over'] as const

/** Wallets show the tokens of the contract by this name and symbol. */
const NAME = 'Access Credential'
const SYMBOL = 'ACCESS'

const ownPage = new URL('../../../contracts/signing-page/index.html', import.meta.url)

interface DeployOptions {
  /** An HTML file instead of proxmint's own page. */
  signingPage: string | undefined
  /** Deploys although the config names a contract already. */
  replace: boolean
}

/** Deploys the contract and writes its address to `config/web3-defaults.yaml`, and its ABI beside it. */
export async function deploy(options: DeployOptions, signal: AbortSignal): Promise<DeployedContract> {
  const site = openSite()
  const web3 = await site.web3()
  requireNoContract(web3.nftContract, options)
  const deployment = await deploymentOf(options)
  const rpc = createRpc({ urls: web3.rpcUrls, chainId: web3.chainId })
  const settling = await openSettling(site, { web3, rpc }, signal)
  const deployed = await withProgress('deploying the contract', () => deployContract(settling, deployment))
  await writeFileAtomic(abiPath(), `${JSON.stringify((await readBuild()).abi, null, 2)}\n`)
  await setYamlValue(web3FilePath(), ['nft_contract'], deployed.address)
  await forgetDeployment(settling)
  return deployed
}

/** The ABI for other tools that call the contract: explorers, libraries, `cast`. */
function abiPath(): string {
  return join(dirname(web3FilePath()), 'AccessCredentialNFT.abi.json')
}

function requireNoContract(contract: string | undefined, { replace }: DeployOptions): void {
  if (contract === undefined || replace) return
  throw new ProxmintError(`${web3FilePath()} names a contract already: ${contract}`, {
    hint: 'tokens of the old one open no VM that asks a new one; if that is meant: zx scripts/contract.mts deploy --replace',
    exitCode: exitCodes.usage,
  })
}

async function deploymentOf({ signingPage: file }: DeployOptions) {
  return { name: NAME, symbol: SYMBOL, signingPage: await readPage(file ?? ownPage) }
}

function readPage(file: string | URL): Promise<Uint8Array> {
  return readFile(file).catch(cause => {
    throw new ProxmintError(`cannot read the signing page ${file}: ${codeOf(cause)}`, {
      cause,
      exitCode: exitCodes.usage,
    })
  })
}

/** Makes another key the contract's owner, as the first step of a rotation. */
export async function handOver(to: string, signal: AbortSignal): Promise<ContractView> {
  const address = checkedAddress('--to', to)
  const site = openSite()
  const view = await openChainView(site)
  const settling = await openAsOwner(site, view, signal)
  await requireNothingPending(settling)
  await withProgress('handing the contract over', () =>
    transferOwnership(settling, view.target.contract, address),
  )
  return showContract(site)
}

/** @throws ProxmintError while a transaction is not mined: the contract would refuse it from its new owner on. */
async function requireNothingPending({ journal, signer }: Settling): Promise<void> {
  const pending = (await journal.listPending()).filter(
    ({ from, key }) => from === signer.address && !key.includes('-owner-'),
  )
  if (pending.length === 0) return
  throw new ProxmintError(`transactions of ${signer.address} are not certain yet`, {
    facts: { 'under way': pending.map(({ what }) => what).join(', ') },
    hint: 'run again what began them, and then this',
  })
}

interface DeploymentPlan {
  chainId: number
  gas: string
  /** Wei. */
  maxFee: string
}

/** Plans a deployment; needs no key. */
export async function planDeploy(options: DeployOptions): Promise<DeploymentPlan> {
  const web3 = await openSite().web3()
  requireNoContract(web3.nftContract, options)
  const rpc = createRpc({ urls: web3.rpcUrls, chainId: web3.chainId })
  const data = await deploymentData(await deploymentOf(options))
  // Whoever deploys needs the same gas.
  const from = '0x0000000000000000000000000000000000000001'
  const gas = await estimateGas(rpc, { from, to: null, data }, 'the deployment')
  const { maxFeePerGas } = await currentFees(rpc, web3.maxTipGwei)
  return { chainId: rpc.chainId, gas: String(gas), maxFee: String(gas * maxFeePerGas) }
}

interface ContractView {
  chainId: number
  address: string
  profile: string
  name: string
  symbol: string
  owner: string
  /** Tokens minted; none is ever burned. */
  tokens: string
}

/** Reads the configured contract from the chain. */
export async function showContract(site: Site = openSite()): Promise<ContractView> {
  const { rpc, target, contractOwner } = await openChainView(site)
  const [name, symbol, tokens] = await Promise.all([
    readView<string>(rpc, target.contract, 'name'),
    readView<string>(rpc, target.contract, 'symbol'),
    readView<bigint>(rpc, target.contract, 'totalSupply'),
  ])
  return {
    chainId: rpc.chainId,
    address: target.contract,
    profile: target.profile,
    name,
    symbol,
    owner: contractOwner,
    tokens: String(tokens),
  }
}

export function formatContract(view: ContractView): string {
  return [
    `${view.name} (${view.symbol}) at ${view.address} on chain ${view.chainId}`,
    `profile ${view.profile}, owner ${view.owner}, ${counted(Number(view.tokens), 'token')}`,
  ].join('\n')
}

export function formatDeployed({ address, transactionHash, gasUsed }: DeployedContract): string {
  return `deployed ${address}, now in ${web3FilePath()}; its ABI is in ${abiPath()}\ntransaction ${transactionHash}, ${gasUsed} gas`
}

export function formatDeploymentPlan({ chainId, gas, maxFee }: DeploymentPlan): string {
  return `would deploy the contract to chain ${chainId}: ${gas} gas at most, ${formatEther(maxFee)} ETH at most`
}
