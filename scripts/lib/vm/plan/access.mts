import { newDecryptMessage } from '../../chain/mint.mts'
import { type Web3Config, web3FilePath } from '../../config/web3.mts'
import { requireContract } from '../../credential/chain-view.mts'
import type { AccessDesign, Entry } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import type { Site } from '../../site/site.mts'
import { lockfilePath } from '../../templates/lockfile.mts'
import { readPackages } from '../../templates/packages.mts'
import type { VmWishes } from './design.mts'

/** The package without which no wallet opens a VM. */
const webPackage = 'libpam-web3'

/**
 * How a VM opens with a token, by what a person wishes and what is configured; null where it is not to.
 * @throws ProxmintError (usage) where a contract is configured and nobody said whose wallet it is.
 */
export async function accessDesign(
  site: Pick<Site, 'web3'>,
  name: string,
  wishes: VmWishes,
): Promise<AccessDesign | null> {
  const { owner, noCredential, mintLater, noLogin } = wishes
  if (noLogin && (owner !== undefined || mintLater)) throw closed()
  if (noCredential && (owner !== undefined || mintLater)) throw contradictory()
  if (noCredential || noLogin) return null
  const web3 = await site.web3()
  if (owner === undefined && web3.nftContract === undefined && !mintLater) return null
  if (owner === undefined) throw whose(name)
  const contract = requireContract(web3)
  return {
    chainId: web3.chainId,
    contract,
    rpcUrl: guestRpcUrl(web3),
    signingPagePort: web3.signingPagePort,
    otpLength: web3.otpLength,
    otpTtlSeconds: web3.otpTtlSeconds,
    decryptMessage: newDecryptMessage(owner),
    userEncrypted: '0x',
    mintLater,
  }
}

/** In the form that needs no quoting: it becomes a value in TOML. */
function guestRpcUrl({ guestRpcUrl: url }: Web3Config): string {
  if (url !== undefined) return new URL(url).href
  throw new ProxmintError('it is not configured which RPC server VMs ask', {
    hint: `set guest_rpc_url or rpc_url in ${web3FilePath()}; that of PROXMINT_RPC_URL may hold a key, and is not given to VMs`,
    exitCode: exitCodes.invalid,
  })
}

function closed(): ProxmintError {
  return new ProxmintError('--no-login is for a VM that nobody can log in to, and a wallet opens one', {
    hint: 'leave out --no-login, or --owner-wallet',
    exitCode: exitCodes.usage,
  })
}

function contradictory(): ProxmintError {
  return new ProxmintError('--no-web3 is for a VM without a wallet', {
    hint: 'leave out --no-web3, or --owner-wallet and --skip-mint',
    exitCode: exitCodes.usage,
  })
}

function whose(name: string): ProxmintError {
  return new ProxmintError(`whose wallet opens ${name} is not said`, {
    facts: { 'contract of access credentials': `in ${web3FilePath()}` },
    hint: '--owner-wallet 0x..., or --no-web3 for a VM that SSH keys alone open',
    exitCode: exitCodes.usage,
  })
}

/**
 * Refuses a VM template in which nothing would ask the chain.
 * @param version null: the template is in no lockfile, and nobody can tell.
 * @throws ProxmintError (invalid)
 */
export async function requireWebPackage(version: Entry['template']): Promise<void> {
  if (version === null) return
  const packages = await readPackages(lockfilePath(), version.version)
  if (packages?.some(line => line.split(' ')[0] === webPackage)) return
  const why = packages === undefined ? 'is not known to have' : 'does not have'
  throw new ProxmintError(
    `the VM template ${version.version} ${why} ${webPackage}: no wallet would open the VM`,
    {
      hint:
        packages === undefined
          ? `zx scripts/templates.mts test ${version.family} looks what is in it`
          : 'take one that has it (--template debian-web3), or make the VM with --no-web3',
      exitCode: exitCodes.invalid,
    },
  )
}
