/** The chain of a lab, looked at and used behind proxmint's back. */
import { readFile } from 'node:fs/promises'
import { Interface, type InterfaceAbi, type Wallet } from 'ethers'
import { expect } from 'vitest'
import type { Lab } from '../../lab/create.mts'

export interface CredentialChain {
  ownerOf(tokenId: string): Promise<string>
  totalSupply(): Promise<number>
  /** How many transactions of the contract's owner were mined. */
  nonceOfSigner(): Promise<number>
  /** Unix seconds. */
  expiryOf(tokenId: string): Promise<number>
  /** Hex with 0x. */
  userEncrypted(tokenId: string): Promise<string>
  /** As the owner's wallet does; mined when it returns. */
  transfer(from: Wallet, to: string, tokenId: string): Promise<void>
}

const build = new URL('../../contracts/build/AccessCredentialNFT.json', import.meta.url)

export async function openCredentialChain(lab: Lab): Promise<CredentialChain> {
  const { rpcUrl, contract, chainId } = lab.chain!
  const { abi } = JSON.parse(await readFile(build, 'utf8')) as { abi: InterfaceAbi }
  const methods = new Interface(abi)
  const rpc = async <T,>(method: string, params: unknown[]): Promise<T> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const response = await fetch(rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    const { result, error } = (await response.json()) as { result: T; error?: { message: string } }
    if (error !== undefined) throw new Error(error.message)
    return result
  }
  const view = async (name: string, ...args: unknown[]) => {
    const call = { to: contract, data: methods.encodeFunctionData(name, args) }
    return methods.decodeFunctionResult(name, await rpc<string>('eth_call', [call, 'latest']))
  }
  return {
    ownerOf: async tokenId => (await view('ownerOf', tokenId))[0],
    totalSupply: async () => Number((await view('totalSupply'))[0]),
    nonceOfSigner: async () =>
      Number(await rpc('eth_getTransactionCount', [(await view('owner'))[0], 'latest'])),
    expiryOf: async tokenId => Number((await view('getAccessData', tokenId))[3]),
    userEncrypted: async tokenId => (await view('getAccessData', tokenId))[0],
    async transfer(from, to, tokenId) {
      const nonce = Number(await rpc<string>('eth_getTransactionCount', [from.address, 'latest']))
      const raw = await from.signTransaction({
        to: contract,
        data: methods.encodeFunctionData('transferFrom', [from.address, to, tokenId]),
        ...{ type: 2, chainId, nonce, gasLimit: 300_000 },
        ...{ maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 10n ** 9n },
      })
      const hash = await rpc<string>('eth_sendRawTransaction', [raw])
      await expect
        .poll(() => rpc<object | null>('eth_getTransactionReceipt', [hash]), {
          timeout: 60_000,
          interval: 200,
        })
        .not.toBeNull()
    },
  }
}
