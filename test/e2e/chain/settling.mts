import { join } from 'node:path'
import type { Chain } from '../../../lab/chain/chain.mts'
import { openFileJournal } from '../../../scripts/lib/chain/file-journal.mts'
import { createRpc } from '../../../scripts/lib/chain/rpc.mts'
import type { Settling } from '../../../scripts/lib/chain/settle.mts'
import { loadSigner } from '../../../scripts/lib/chain/signer.mts'

/** What minting needs on a chain with blocks of a second, for a project in `folder`. */
export async function settlingOf(
  { rpcUrl, chainId }: Pick<Chain, 'rpcUrl' | 'chainId'>,
  folder: string,
): Promise<Settling> {
  const rpc = createRpc({ urls: [rpcUrl], chainId, pauseMs: 50 })
  return {
    rpc,
    witnesses: [rpc],
    signer: await loadSigner(join(folder, 'signer')),
    journal: await openFileJournal(join(folder, '.proxmint'), rpc),
    maxTipGwei: 100,
    confirmations: 2,
    stuckMs: 3000,
    timeoutMs: 90_000,
    pollMs: 200,
  }
}
