import { getAddress, isAddress, ZeroAddress } from 'ethers'
import { exitCodes, ProxmintError } from '../run/errors.mts'

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
