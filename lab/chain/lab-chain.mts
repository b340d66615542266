/** The chain of a lab: inside its network, with the contract on it, and the files that a client of it needs. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { forward } from '../network/forward.mts'

/** Travels over IPC. */
export interface LabChainSettings {
  /** As with the API: the same port inside and outside. */
  listen: { host: string; port: number }
  /** Of the forwarder outside; undefined where outside and inside are one. */
  socketPath: string | undefined
  /** Where guests reach it; undefined where they share the lab's loopback. */
  guestHost: string | undefined
}

export interface LabChainReady {
  rpcUrl: string
  /** The same chain for guests. */
  guestRpcUrl: string
  chainId: number
  /** Of the contract of access credentials; the chain's first account owns it. */
  contract: string
}

export interface LabChain extends LabChainReady {
  /** What PROXMINT_WEB3 names. */
  configFile: string
}

const BLOCK_TIME_SECONDS = 1

export async function openLabChain({
  listen,
  socketPath,
  guestHost,
}: LabChainSettings): Promise<{ ready: LabChainReady; close(): Promise<void> }> {
  // Loaded only where there is a chain: every lab would start later otherwise.
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

/** The key that mints and the config that names it, in the lab's state folder; each lab has a new chain. */
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

/** Environment variables that make proxmint use the lab's chain; none without one. */
export function chainVariables(configFile: string | null | undefined): Record<string, string> {
  return configFile ? { PROXMINT_WEB3: configFile } : {}
}
