import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { formatEther, ZeroAddress } from 'ethers'
import { hasTwoSteps, readBuild, readView } from '../chain/contract.mts'
import { type DeployedContract, deployContract, deploymentData, forgetDeployment } from '../chain/deploy.mts'
import { currentFees } from '../chain/fees.mts'
import { estimateGas } from '../chain/gas.mts'
import { createRpc } from '../chain/rpc.mts'
import type { Settling } from '../chain/settle.mts'
import { acceptOwnership, transferOwnership } from '../chain/update.mts'
import { checkedAddress } from '../chain/wallet.mts'
import { setYamlValue } from '../config/set-yaml-value.mts'
import { web3FilePath } from '../config/web3.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { counted } from '../run/counted.mts'
import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'
import { withProgress } from '../run/progress.mts'
import { openSite, type Site } from '../site/site.mts'
import { type ChainView, openChainView, openSettling } from './chain-view.mts'
import { openAsOwner } from './issuer.mts'

/** Wallets show the tokens of the contract by this name and symbol. */
const NAME = 'Access Credential'
const SYMBOL = 'ACCESS'

const ownPage = new URL('../../../contracts/signing-page/index.html', import.meta.url)
const image = new URL('../../../contracts/image.svg', import.meta.url)

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
  const imageUri = `data:image/svg+xml;base64,${await readFile(image, 'base64')}`
  return { name: NAME, symbol: SYMBOL, signingPage: await readPage(file ?? ownPage), imageUri }
}

function readPage(file: string | URL): Promise<Uint8Array> {
  return readFile(file).catch(cause => {
    throw new ProxmintError(`cannot read the signing page ${file}: ${codeOf(cause)}`, {
      cause,
      hint: '--signing-page names an HTML file',
      exitCode: exitCodes.usage,
    })
  })
}

interface HandOver {
  to: string
  /** Agrees to a contract of an older version: it changes hands at once, whoever has the address. */
  oneStep: boolean
}

/** Offers the contract to another key, as the first step of a rotation. `accept` is the second. */
export async function handOver({ to, oneStep }: HandOver, signal: AbortSignal): Promise<ContractView> {
  const address = checkedAddress('--to', to)
  const site = openSite()
  const view = await openChainView(site)
  const { contract } = view.target
  if (!oneStep && !(await hasTwoSteps(view.rpc, contract))) throw changesAtOnce(contract, address)
  const settling = await openAsOwner(site, view, signal)
  await requireNothingPending(settling)
  await withProgress('handing the contract over', () => transferOwnership(settling, contract, address))
  return showContract(site)
}

function changesAtOnce(contract: string, to: string): ProxmintError {
  return new ProxmintError(
    `the contract ${contract} changes hands at once: a wrong address would lose it for ever`,
    {
      facts: { 'new owner': to },
      hint:
        'it was deployed by an older version, without a second step. Compare the address with the wallet, then add --one-step; ' +
        'or deploy a contract for later VMs: zx scripts/contract.mts deploy --replace',
      exitCode: exitCodes.usage,
    },
  )
}

/** Accepts the contract with the configured key, to which the former owner has offered it. */
export async function accept(signal: AbortSignal): Promise<ContractView> {
  const site = openSite()
  const view = await openChainView(site)
  const settling = await openSettling(site, view, signal)
  const { contract } = view.target
  const offered = await pendingOwner(view)
  if (settling.signer.address !== view.contractOwner) {
    if (offered !== settling.signer.address) throw notOffered(settling.signer.address, offered, view)
    await withProgress('accepting the contract', () => acceptOwnership(settling, contract))
  }
  return showContract(site)
}

function notOffered(signer: string, offered: string | null, { contractOwner }: ChainView): ProxmintError {
  return new ProxmintError(`the contract was not offered to ${signer}`, {
    facts: { owner: contractOwner, 'offered to': offered ?? 'nobody' },
    hint: `with the owner's key: zx scripts/contract.mts hand-over --to ${signer}`,
    exitCode: exitCodes.denied,
  })
}

/** Address that the contract was offered to; null if there is none. */
async function pendingOwner({ rpc, target: { contract } }: ChainView): Promise<string | null> {
  if (!(await hasTwoSteps(rpc, contract))) return null
  const address = await readView<string>(rpc, contract, 'pendingOwner')
  return address === ZeroAddress ? null : address
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
  /** Address that may accept the contract; null if it was offered to nobody. */
  offeredTo: string | null
  /** Tokens minted; none is ever burned. */
  tokens: string
}

/** Reads the configured contract from the chain. */
export async function showContract(site: Site = openSite()): Promise<ContractView> {
  const view = await openChainView(site)
  const { rpc, target, contractOwner } = view
  const [name, symbol, tokens, offeredTo] = await Promise.all([
    readView<string>(rpc, target.contract, 'name'),
    readView<string>(rpc, target.contract, 'symbol'),
    readView<bigint>(rpc, target.contract, 'totalSupply'),
    pendingOwner(view),
  ])
  return {
    chainId: rpc.chainId,
    address: target.contract,
    profile: target.profile,
    name,
    symbol,
    owner: contractOwner,
    offeredTo,
    tokens: String(tokens),
  }
}

export function formatContract(view: ContractView): string {
  const lines = [
    `${view.name} (${view.symbol}) at ${view.address} on chain ${view.chainId}`,
    `profile ${view.profile}, owner ${view.owner}, ${counted(Number(view.tokens), 'token')}`,
  ]
  const offer = `offered to ${view.offeredTo}; it accepts with its own key: zx scripts/contract.mts accept`
  return [...lines, ...(view.offeredTo === null ? [] : [offer])].join('\n')
}

export function formatDeployed({ address, transactionHash, gasUsed }: DeployedContract): string {
  return `deployed ${address}, now in ${web3FilePath()}; its ABI is in ${abiPath()}\ntransaction ${transactionHash}, ${gasUsed} gas`
}

export function formatDeploymentPlan({ chainId, gas, maxFee }: DeploymentPlan): string {
  return `would deploy the contract to chain ${chainId}: ${gas} gas at most, ${formatEther(maxFee)} ETH at most`
}
