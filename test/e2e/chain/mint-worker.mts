/** One of several processes that mint with one signer: FOLDER RPC_URL CONTRACT PREFIX COUNT -> JSON of the token ids. */
import { Wallet } from 'ethers'
import { mintCredentials } from '../../../scripts/lib/chain/mint.mts'
import { settlingOf } from './settling.mts'

const [folder, rpcUrl, contract, prefix, count] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
]
const settling = await settlingOf({ rpcUrl, chainId: 31337 }, folder)
const target = { contract, profile: 'v0.4' as const, serverPublicKey: undefined }

const minted = await Promise.all(
  Array.from({ length: Number(count) }, (_, index) =>
    mintCredentials(settling, target, [
      { wallet: Wallet.createRandom().address, machineId: `${prefix}-${index}`, expiresAt: 0 },
    ]),
  ),
)
process.stdout.write(JSON.stringify(minted.flat().map(({ tokenId }) => tokenId)))
