/**
 * What `reconcile` asks the chain of the tokens of VMs: many with one request, beside two requests for each, sixteen at a
 * time. The chain is anvil on this machine; in between stands a proxy that answers no sooner than a server far away.
 * Run: `node bench/tokens.mts [TOKENS] [MILLISECONDS]`.
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Contract, JsonRpcProvider, Wallet } from 'ethers'
import { type Chain, startChain } from '../lab/chain/chain.mts'
import { deployCredentials } from '../lab/chain/deploy.mts'
import { readBuild } from '../scripts/lib/chain/contract.mts'
import { type Credential, readCredential, readCredentials } from '../scripts/lib/chain/credential.mts'
import { createRpc, type Rpc } from '../scripts/lib/chain/rpc.mts'
import { type Figure, printFigures } from './figures.mts'

const [tokens = 10_000, delayMs = 50] = process.argv.slice(2).map(Number)
const batch = 40
const atOnce = 16

/** Mints to ten wallets in turn. */
async function mintAll({ rpcUrl, chainId, accounts }: Chain, address: string): Promise<void> {
  const provider = new JsonRpcProvider(rpcUrl, chainId, { staticNetwork: true, cacheTimeout: -1 })
  const signer = new Wallet(accounts[0]!.privateKey, provider)
  const mint = new Contract(address, (await readBuild()).abi, signer).getFunction('mintBatch')
  for (let first = 0; first < tokens; first += batch) {
    const count = Math.min(batch, tokens - first)
    const each = <T,>(make: (owner: string) => T): T[] =>
      Array.from({ length: count }, (_, index) => make(accounts[(first + index) % accounts.length]!.address))
    const messages = each(owner => `libpam-web3:${owner}:${'0'.repeat(32)}`)
    const none = each(() => '')
    const facts = [each(() => '0x'), messages, none, none, none, each(() => 4_000_000_000)]
    await mint(
      each(owner => owner),
      ...facts,
      { nonce: 1 + first / batch, gasLimit: 16_000_000 },
    )
  }
  provider.destroy()
}

/** Passes requests on after a while, and counts them. */
async function farAway(url: string): Promise<{ server: Server; url: string; requests: () => number }> {
  let requests = 0
  const server = createServer(async (request, response) => {
    requests += 1
    const [body] = await Promise.all([text(request), sleep(delayMs)])
    const answer = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
    response.end(await answer.text())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { server, url: `http://127.0.0.1:${port}`, requests: () => requests }
}

/** As it was before. */
async function twoForEach(rpc: Rpc, contract: string, ids: string[]): Promise<Map<string, Credential>> {
  const found = new Map<string, Credential>()
  for (let first = 0; first < ids.length; first += atOnce) {
    const some = ids.slice(first, first + atOnce)
    const read = await Promise.all(some.map(id => readCredential(rpc, contract, id)))
    for (const one of read) found.set(one.tokenId, one)
  }
  return found
}

const chain = await startChain()
const proxy = await farAway(chain.rpcUrl)
try {
  const contract = await deployCredentials(chain)
  await mintAll(chain, contract)
  const rpc = createRpc({ urls: [proxy.url], chainId: chain.chainId })
  const ids = Array.from({ length: tokens }, (_, id) => String(id))
  const measure = async (read: typeof readCredentials) => {
    const [start, before] = [performance.now(), proxy.requests()]
    const found = await read(rpc, contract, ids)
    return { found, seconds: (performance.now() - start) / 1000, requests: proxy.requests() - before }
  }
  const [ours, beside] = [await measure(readCredentials), await measure(twoForEach)]
  if (JSON.stringify([...ours.found]) !== JSON.stringify([...beside.found])) throw new Error('they differ')
  const what = `owner and expiry of ${tokens} tokens, answers after ${delayMs} ms`
  const figure = (key: 'seconds' | 'requests', unit: string): Figure => {
    const name = 'two requests for each, 16 at a time'
    return { what, value: ours[key], unit, beside: name, besideValue: beside[key] }
  }
  printFigures([figure('seconds', 's'), figure('requests', 'requests')])
} finally {
  proxy.server.close()
  proxy.server.closeAllConnections()
  await chain.close()
}
