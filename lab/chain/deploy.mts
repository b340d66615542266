import { ContractFactory, JsonRpcProvider, Wallet } from 'ethers'
import type { Chain } from './chain.mts'
import { readContractBuild } from './contract-build.mts'

/** Deploys the compiled contract; its owner is the chain's first account. Resolves to its address. */
export async function deployCredentials(
  { rpcUrl, chainId, accounts }: Chain,
  signingPageBase64 = '',
): Promise<string> {
  const { abi, bytecode } = await readContractBuild()
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
