/** A chain inside the lab's network with the contract on it, and the files that its clients need. */

import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Address } from '../core/listen.mts'
import { forward } from '../network/forward.mts'

/** Settings that travel over IPC. */
export interface LabChainSettings {
  /** Address with one port for inside and outside. */
  listen: Address
  /** Unix socket of the forwarder outside; undefined without namespaces. */
  socketPath: string | undefined
  /** Address for guests; undefined if they share the lab's loopback. */
  guestHost: string | undefined
}

export interface LabChainReady {
  rpcUrl: string
  /** URL of the chain for guests. */
  guestRpcUrl: string
  chainId: number
  /** Address of the contract of access credentials. The chain's first account owns it. */
  contract: string
}

export interface LabChain extends LabChainReady {
  /** Value for PROXMINT_WEB3. */
  configFile: string
}

const BLOCK_TIME_SECONDS = 1

/** Starts the chain, makes it reachable for guests and deploys the contract. */
export async function openLabChain({
  listen,
  socketPath,
  guestHost,
}: LabChainSettings): Promise<{ ready: LabChainReady; close(): Promise<void> }> {
  // Imported here because loading ethers would delay labs without a chain.
  const [{ startChain }, { deployCredentials }] = await Promise.all([
    import('./chain.mts'),
    import('./deploy.mts'),
  ])
  const chain = await startChain({ blockTimeSeconds: BLOCK_TIME_SECONDS, port: listen.port })
  const { rpcUrl, chainId } = chain
  const own = { host: '127.0.0.1', port: Number(new URL(rpcUrl).port) }
  if (socketPath !== undefined) await forward({ path: socketPath }, own)
  if (guestHost !== undefined) await forward({ host: guestHost, port: own.port }, own)
  const guestRpcUrl = guestHost === undefined ? rpcUrl : `http://${guestHost}:${own.port}`
  const contract = await deployCredentials(chain)
  return { ready: { rpcUrl, guestRpcUrl, chainId, contract }, close: chain.close }
}

/** Writes the key that mints and a web3 config that names it to the state folder. Each start has a new chain. */
export async function writeChainFiles(stateFolder: string, ready: LabChainReady): Promise<LabChain> {
  const { labAccounts } = await import('./accounts.mts')
  const folder = join(stateFolder, 'chain')
  const [keyFile, configFile] = [join(folder, 'signer'), join(folder, 'web3-defaults.yaml')]
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await rm(keyFile, { force: true })
  await writeFile(keyFile, labAccounts(1)[0]!.privateKey, { mode: 0o600 })
  const config = {
    chain_id: ready.chainId,
    nft_contract: ready.contract,
    rpc_url: ready.rpcUrl,
    guest_rpc_url: ready.guestRpcUrl,
    confirmations: 1,
    deployer: { private_key_file: keyFile },
  }
  // JSON is YAML.
  await writeFile(configFile, `${JSON.stringify(config, null, 2)}\n`)
  return { ...ready, configFile }
}

/** Returns environment variables that make proxmint use the lab's chain; none without a chain. */
export function chainVariables(configFile: string | null | undefined): Record<string, string> {
  return configFile ? { PROXMINT_WEB3: configFile } : {}
}
