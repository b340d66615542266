/**
 * Mints on a chain with a block a second: proxmint's pipelined transactions beside a loop of one `cast send` at a time,
 * each waiting for its receipt. Both wait for one confirmation.
 * Run: `node bench/mint.mts [MINTS] [MINTS OF THE LOOP]`.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Chain, startChain } from '../lab/chain/chain.mts'
import { deployCredentials } from '../lab/chain/deploy.mts'
import { openFileJournal } from '../scripts/lib/chain/file-journal.mts'
import { mintCredentials } from '../scripts/lib/chain/mint.mts'
import { createRpc } from '../scripts/lib/chain/rpc.mts'
import { loadSigner } from '../scripts/lib/chain/signer.mts'
import { printFigures } from './figures.mts'

const mints = Number(process.argv[2] ?? 100)
const mintsOfLoop = Number(process.argv[3] ?? 20)

function castPath(): string {
  const platform = { x64: 'linux-amd64', arm64: 'linux-arm64' }[process.arch as string]
  const require = createRequire(import.meta.url)
  return join(dirname(require.resolve(`@foundry-rs/cast-${platform}/package.json`)), 'bin', 'cast')
}

async function withContract<T>(work: (chain: Chain, contract: string) => Promise<T>): Promise<T> {
  const chain = await startChain({ blockTimeSeconds: 1 })
  try {
    return await work(chain, await deployCredentials(chain))
  } finally {
    await chain.close()
  }
}

async function perSecond(count: number, work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return (count * 1000) / (performance.now() - start)
}

async function ours({ rpcUrl, chainId, accounts }: Chain, contract: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-bench-'))
  try {
    await writeFile(join(folder, 'signer'), accounts[0]!.privateKey, { mode: 0o600 })
    const rpc = createRpc({ urls: [rpcUrl], chainId })
    const settling = {
      rpc,
      witnesses: [rpc],
      signer: await loadSigner(join(folder, 'signer')),
      journal: await openFileJournal(folder, rpc),
      ...{ maxTipGwei: 100, confirmations: 1, stuckMs: 60_000, timeoutMs: 120_000, pollMs: 200 },
    }
    const target = { contract, profile: 'v0.4' as const, serverPublicKey: undefined }
    const wallet = accounts[1]!.address
    const requests = Array.from({ length: mints }, (_, n) => ({ wallet, machineId: `vm-${n}`, expiresAt: 0 }))
    return await perSecond(mints, async () => {
      const minted = await mintCredentials(settling, target, requests)
      if (new Set(minted.map(({ tokenId }) => tokenId)).size !== mints)
        throw new Error('ids are not distinct')
    })
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function loop({ rpcUrl, accounts }: Chain, contract: string): Promise<number> {
  const cast = castPath()
  const [signer, wallet] = accounts
  const texts = [
    '0x',
    `libpam-web3:${wallet!.address}:${'0'.repeat(32)}`,
    'Opens one virtual machine for its owner',
    '',
    '',
    '0',
  ]
  const call = [
    contract,
    'mint(address,bytes,string,string,string,string,uint256)',
    wallet!.address,
    ...texts,
  ]
  return perSecond(mintsOfLoop, async () => {
    for (let n = 0; n < mintsOfLoop; n += 1) {
      // A test key that everybody knows; a real one never belongs into the arguments of a program.
      const args = ['send', '--rpc-url', rpcUrl, '--private-key', signer!.privateKey, ...call]
      await promisify(execFile)(cast, args)
    }
  })
}

const [rate, rateOfLoop] = [await withContract(ours), await withContract(loop)]
printFigures([
  {
    what: `${mints} mints, a block a second`,
    value: rate,
    unit: '/s',
    beside: `${mintsOfLoop} times \`cast send\`, one after the other`,
    besideValue: rateOfLoop,
  },
])
