import { getAddress, isAddress, ZeroAddress } from 'ethers'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import type { Rpc } from './rpc.mts'

/**
 * Checks the address of a wallet. It must have its EIP-55 checksum: a wrong digit would give the VM to somebody else.
 * @param name of the option or setting, for the message: `--owner-wallet`.
 * @returns the address.
 * @throws ProxmintError (usage, or `exitCode`) for an address that is wrong or has no checksum.
 */
export function checkedAddress(name: string, text: string, exitCode: number = exitCodes.usage): string {
  const fault = addressFault(text)
  if (fault === undefined) return text
  throw new ProxmintError(`${name} ${fault.what}: \`${text}\``, { hint: fault.fix, exitCode })
}

/** Code of an account with a key that lets a contract act for it (EIP-7702). It signs as before. */
const DELEGATION = '0xef0100'

/**
 * Checks that a wallet has a key, which signs to log in. A wallet that is a contract (a multi-signature wallet, a smart
 * account) has none: nobody could open the VM.
 * @param agreed wallets that may be contracts all the same.
 * @throws ProxmintError (invalid)
 */
export async function requireKeyWallet(rpc: Rpc, wallet: string, agreed: string[]): Promise<void> {
  if (agreed.includes(wallet)) return
  const code = await rpc.call<string>('eth_getCode', [wallet, 'latest'])
  if (code === '0x' || code.startsWith(DELEGATION)) return
  throw new ProxmintError(
    `the wallet ${wallet} is a contract on chain ${rpc.chainId}, so nobody can log in with it`,
    {
      facts: { why: 'the VM needs a signature (EIP-191), and a contract has no key to sign with' },
      hint:
        'give the address of a wallet with a key; if the contract will pass the token on, list its address in ' +
        'contract_wallets of config/web3-defaults.yaml',
      exitCode: exitCodes.invalid,
    },
  )
}

function addressFault(text: string): { what: string; fix: string } | undefined {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) {
    return {
      what: 'is not an address',
      fix: '0x and 40 hex digits, copied from the wallet; ENS names are not resolved',
    }
  }
  const checksummed = getAddress(text.toLowerCase())
  if (checksummed === ZeroAddress) return { what: 'is the zero address', fix: 'nobody has its key' }
  if (text === checksummed) return undefined
  if (text.slice(2) === text.slice(2).toLowerCase()) {
    return {
      what: 'lacks the checksum of EIP-55',
      fix: `compare it with the wallet, then write ${checksummed}`,
    }
  }
  // ethers accepts an address all in upper case as one without a checksum.
  const wrong = isAddress(text) ? 'lacks the checksum of EIP-55' : 'has a wrong checksum (EIP-55)'
  return { what: wrong, fix: 'a digit is wrong: copy it from the wallet again' }
}
