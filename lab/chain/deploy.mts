/** Deploys the contract of access credentials. */

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { ContractFactory, type InterfaceAbi, JsonRpcProvider, Wallet } from 'ethers'
import type { Chain } from './chain.mts'

interface ContractBuild {
  abi: InterfaceAbi
  /** Hex with 0x. */
  bytecode: string
}

/** Paths of the compiled contract: in an installed package, in the repository. */
const PLACES = ['../contracts/AccessCredentialNFT.json', '../../contracts/build/AccessCredentialNFT.json']

async function readContractBuild(): Promise<ContractBuild> {
  const file = PLACES.map(place => new URL(place, import.meta.url)).find(place => existsSync(place))
  return JSON.parse(await readFile(file!, 'utf8'))
}

/** Deploys the compiled contract and returns its address. The chain's first account owns it. */
export async function deployCredentials({ rpcUrl, chainId, accounts }: Chain): Promise<string> {
  const { abi, bytecode } = await readContractBuild()
  const provider = new JsonRpcProvider(rpcUrl, chainId, { staticNetwork: true, pollingInterval: 200 })
  try {
    const signer = new Wallet(accounts[0]!.privateKey, provider)
    const factory = new ContractFactory(abi, bytecode, signer)
    // No signing page, no default image.
    const contract = await factory.deploy('Access Credential', 'ACCESS', '', '')
    await contract.waitForDeployment()
    return await contract.getAddress()
  } finally {
    provider.destroy()
  }
}
