import { AbiCoder, getAddress } from 'ethers'
import { readBuild } from './contract.mts'
import { execute } from './execute.mts'
import type { Settling } from './settle.mts'
import type { WantedTransaction } from './submit.mts'

interface Deployment {
  name: string
  symbol: string
  /** Page that every token holds; at most 12288 bytes, which are 16384 in Base64. */
  signingPage: Uint8Array
  /** URI of the image that wallets show for every token. */
  imageUri: string
}

export interface DeployedContract {
  /** EIP-55. */
  address: string
  transactionHash: string
  gasUsed: string
}

const DEPLOY_KEY = 'deploy'

/** Data of the transaction that deploys the contract, hex with 0x. */
export async function deploymentData({ name, symbol, signingPage, imageUri }: Deployment): Promise<string> {
  const { bytecode } = await readBuild()
  const values = [name, symbol, Buffer.from(signingPage).toString('base64'), imageUri]
  const encoded = AbiCoder.defaultAbiCoder().encode(['string', 'string', 'string', 'string'], values)
  return bytecode + encoded.slice(2)
}

/**
 * Deploys the contract, or finds the one that an interrupted run deployed. Call `forgetDeployment` after its address was
 * stored.
 * @throws ProxmintError as `execute`.
 */
export async function deployContract(settling: Settling, deployment: Deployment): Promise<DeployedContract> {
  const data = await deploymentData(deployment)
  const intent: WantedTransaction = {
    key: DEPLOY_KEY,
    what: 'the deployment',
    terms: {},
    to: null,
    data: () => data,
  }
  const [receipt] = await execute(settling, [intent])
  return {
    address: getAddress(receipt!.contractAddress!),
    transactionHash: receipt!.transactionHash,
    gasUsed: String(BigInt(receipt!.gasUsed)),
  }
}

/** Removes the record of a deployment, so that the next call deploys a new contract. */
export async function forgetDeployment({ journal }: Settling): Promise<void> {
  const deployed = await journal.get(DEPLOY_KEY)
  if (deployed !== undefined) await journal.drop(deployed)
}
