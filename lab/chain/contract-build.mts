import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { InterfaceAbi } from 'ethers'

export interface ContractBuild {
  abi: InterfaceAbi
  /** Hex with 0x. */
  bytecode: string
}

/** In an installed package, which has a copy; and in the repository. */
const PLACES = ['../contracts/AccessCredentialNFT.json', '../../contracts/build/AccessCredentialNFT.json']

/** Reads the compiled contract of access credentials. */
export async function readContractBuild(): Promise<ContractBuild> {
  const file = PLACES.map(place => new URL(place, import.meta.url)).find(place => existsSync(place))
  return JSON.parse(await readFile(file!, 'utf8'))
}
