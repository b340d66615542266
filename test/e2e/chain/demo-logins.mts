/**
 * Tries to log in to the two VMs of the demonstration, with and without right, by a verifier that does what libpam-web3
 * does. What it is to try comes as JSON on standard input. A line for each try; the exit code is 1 where one of them
 * does not end as it must.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Interface, JsonRpcProvider, Wallet } from 'ethers'
import { type Machine, opens, openTokenService } from './verifier.mts'

interface DemoVm {
  id: string
  vmid: number
  address: string
  /** Of the receipt. */
  tokenId: string
  /** Of the account in the VM. */
  gecos: string
  walletKey: string
}

interface Input {
  chain: { rpcUrl: string; chainId: number; contract: string }
  shop: DemoVm
  wiki: DemoVm
}

const { chain, shop, wiki } = JSON.parse(await text(process.stdin)) as Input
const folder = await mkdtemp(join(tmpdir(), 'proxmint-logins-'))
const socketPath = join(folder, 'web3-auth.sock')
const service = await openTokenService(socketPath, chain.rpcUrl)
const provider = new JsonRpcProvider(chain.rpcUrl, chain.chainId, {
  staticNetwork: true,
  pollingInterval: 200,
})
const [shopOwner, wikiOwner] = [shop, wiki].map(({ walletKey }) => new Wallet(walletKey, provider))
const failed: string[] = []

for (const { id, vmid, gecos, tokenId } of [shop, wiki]) {
  told(
    `${id}: GECOS of VM ${vmid} is ${gecos}, its receipt says ${tokenId}`,
    gecos === `nft=${tokenId}`,
    true,
  )
}
const machine = ({ id, gecos }: DemoVm): Machine => ({
  ...{ id, gecos, socketPath, chainId: chain.chainId, contract: chain.contract, otpTtlSeconds: 300 },
})

async function login(
  vm: Machine,
  wallet: Wallet,
  { signed = '123456', shownAt = Date.now() } = {},
): Promise<boolean> {
  const signature = await wallet.signMessage(`Authenticate to ${vm.id} with code: ${signed}`)
  return opens(vm, '123456', shownAt, signature)
}

/** Notes what happened, and whether it is what must happen. */
function told(what: string, happened: boolean, must: boolean): void {
  process.stdout.write(`${happened === must ? 'ok' : 'NOT OK'}  ${what}\n`)
  if (happened !== must) failed.push(what)
}

const offByOne = `nft=${Number(shop.tokenId) + 1}`
const expired = { shownAt: Date.now() - 301_000 }
told('shop: its owner gets in', await login(machine(shop), shopOwner!), true)
told('wiki: its owner gets in', await login(machine(wiki), wikiOwner!), true)
told('shop: the owner of wiki does not', await login(machine(shop), wikiOwner!), false)
told(
  'shop: with a wrong code its owner does not',
  await login(machine(shop), shopOwner!, { signed: '123457' }),
  false,
)
told('shop: with an expired code neither', await login(machine(shop), shopOwner!, expired), false)
told(
  `a VM with ${offByOne} does not open to the owner of shop`,
  await login({ ...machine(shop), gecos: offByOne }, shopOwner!),
  false,
)

const methods = new Interface(['function transferFrom(address, address, uint256)'])
const transfer = [wikiOwner!.address, shopOwner!.address, wiki.tokenId]
const sent = await wikiOwner!.sendTransaction({
  to: chain.contract,
  data: methods.encodeFunctionData('transferFrom', transfer),
})
await sent.wait()
told(
  'wiki: after the transfer of its token the old owner does not get in',
  await login(machine(wiki), wikiOwner!),
  false,
)
told('wiki: and the new one does', await login(machine(wiki), shopOwner!), true)

provider.destroy()
service.close()
await rm(folder, { recursive: true })
if (failed.length > 0) {
  process.stderr.write(`${failed.join('; ')}\n`)
  process.exitCode = 1
}
