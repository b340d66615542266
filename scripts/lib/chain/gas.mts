import { exitCodes, ProxmintError } from '../run/errors.mts'
import { credentialInterface } from './contract.mts'
import { isRevert, type Rpc, type RpcFault } from './rpc.mts'

/** Most gas of a transaction (EIP-7825). */
export const TRANSACTION_GAS_CAP = 2n ** 24n

interface Call {
  from: string
  to: string | null
  data: string
  /** Most gas that this call may need. Default: what a transaction may have. */
  mostGas?: bigint | undefined
}

/**
 * Estimates the gas of a call and adds a quarter, because other mints may come first.
 * @param what names the transaction in an error.
 * @throws ProxmintError with the reason if the contract would revert; if the server gives no estimate; if it is too much.
 */
export async function estimateGas(
  rpc: Rpc,
  { from, to, data, mostGas = TRANSACTION_GAS_CAP }: Call,
  what: string,
): Promise<bigint> {
  const call = to === null ? { from, data } : { from, to, data }
  const answer = await rpc.ask<string>('eth_estimateGas', [call])
  if ('fault' in answer)
    throw isRevert(answer.fault) ? wouldFail(what, answer.fault) : noEstimate(what, answer.fault)
  const gas = BigInt(answer.result)
  if (gas > mostGas) throw tooMuchGas(what, gas, mostGas)
  const spare = (gas * 5n) / 4n
  return spare > mostGas ? mostGas : spare
}

function tooMuchGas(what: string, gas: bigint, limit: bigint): ProxmintError {
  return new ProxmintError(`${what} needs more gas than it may have`, {
    facts: { gas: String(gas), limit: String(limit) },
    hint:
      limit === TRANSACTION_GAS_CAP
        ? 'nothing was signed: no chain with EIP-7825 takes such a transaction'
        : 'nothing was signed: the wallet is a contract that spends gas when it gets a token; use another wallet',
  })
}

const HINTS: Record<string, string> = {
  OwnableUnauthorizedAccount:
    "sign with the contract's owner: deployer.private_key_file in config/web3-defaults.yaml",
  ERC721InvalidReceiver: 'the wallet is a contract that cannot receive tokens; use another wallet',
  InvalidAccessData: 'profile v0.2 needs a machine id',
  SigningPageTooLarge: 'make the page smaller; docs/access.md explains the limit',
}

function wouldFail(what: string, fault: RpcFault): ProxmintError {
  const revert = revertOf(fault)
  return new ProxmintError(`the contract would revert: ${what}: ${revert?.text ?? fault.message}`, {
    hint: revert === undefined ? 'nothing was signed' : HINTS[revert.name],
    exitCode: revert?.name === 'OwnableUnauthorizedAccount' ? exitCodes.denied : exitCodes.failed,
  })
}

function noEstimate(what: string, { code, message }: RpcFault): ProxmintError {
  return new ProxmintError(`the RPC server does not estimate the gas of ${what}: ${message}`, {
    facts: { code },
    hint: 'nothing was signed; run the command again later, or set another rpc_url in config/web3-defaults.yaml',
  })
}

/** Custom error of the contract in a fault's data; undefined if there is none. */
function revertOf({ data }: RpcFault): { name: string; text: string } | undefined {
  if (typeof data !== 'string' || !/^0x[0-9a-f]{8}/i.test(data)) return undefined
  const error = credentialInterface.parseError(data)
  return error === null ? undefined : { name: error.name, text: `${error.name}(${error.args.join(', ')})` }
}
