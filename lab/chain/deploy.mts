import { readFile } from 'node:fs/promises'
import { ContractFactory, type InterfaceAbi, JsonRpcProvider, Wallet } from 'ethers'
import type { Chain } from './chain.mts'

const BUILD = new URL('../../contracts/build/AccessCredentialNFT.json', import.meta.url)

/** Deploys the compiled contract; its owner is the chain's first account. Resolves to its address. */
export async function deployCredentials(
  { rpcUrl, chainId, accounts }: Chain,
  signingPageBase64 = '',
): Promise<string> {
  const { abi, bytecode } = JSON.parse(await readFile(BUILD, 'utf8')) as {
    abi: InterfaceAbi
    bytecode: string
  }
  const provider = new JsonRpcProvider(rpcUrl, chainId, { staticNetwork: true, pollingInterval: 200 })
  try {
    const signer = new Wallet(accounts[0]!.privateKey, provider)
    const factory = new ContractFactory(abi, bytecode, signer)
    const contract = await factory.deploy('Access Credential', 'ACCESS', signingPageBase64, '')
    await contract.waitForDeployment()
    return await contract.getAddress()
  } finally {
    provider.destroy()
  }
}
