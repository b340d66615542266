import { HDNodeWallet } from 'ethers'

/** The phrase every Ethereum test chain knows: never a secret, never worth anything elsewhere. */
const TEST_PHRASE = 'test test test test test test test test test test test junk'

export interface LabAccount {
  address: string
  /** Hex with 0x. */
  privateKey: string
}

/** The accounts of the lab's chain, with 10000 ETH each at its beginning. */
export function labAccounts(count: number): LabAccount[] {
  return Array.from({ length: count }, (_, index) => {
    const { address, privateKey } = HDNodeWallet.fromPhrase(TEST_PHRASE, '', `m/44'/60'/0'/0/${index}`)
    return { address, privateKey }
  })
}
