/** Accounts of the lab's chain. */

import { HDNodeWallet } from 'ethers'

/** Default phrase of anvil and other test chains. It is public, so its keys must not hold real money. */
const TEST_PHRASE = 'test test test test test test test test test test test junk'

export interface LabAccount {
  address: string
  /** Hex with 0x. */
  privateKey: string
}

/** Derives the first accounts of the lab's chain. Each begins with 10000 ETH. */
export function labAccounts(count: number): LabAccount[] {
  return Array.from({ length: count }, (_, index) => {
    const { address, privateKey } = HDNodeWallet.fromPhrase(TEST_PHRASE, '', `m/44'/60'/0'/0/${index}`)
    return { address, privateKey }
  })
}
