/** From a mint to a login: the token that proxmint minted opens the machine for its owner, and for nobody else. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Wallet } from 'ethers'
import { expect, onTestFinished, test } from 'vitest'
import { mintCredentials } from '../../../scripts/lib/chain/mint.mts'
import { otpText } from '../../unit/chain/token-owner.mts'
import { openSite, type Site } from './site.mts'
import { type Machine, opens, openTokenService } from './verifier.mts'

async function machinesOf(site: Site): Promise<{ first: Machine; second: Machine }> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-login-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const socketPath = join(folder, 'auth.sock')
  const service = await openTokenService(socketPath, site.chain.rpcUrl)
  onTestFinished(() => void service.close())
  const requests = [1, 2].map(account => ({
    wallet: site.chain.accounts[account]!.address,
    machineId: `web-${account}`,
    expiresAt: 0,
  }))
  const minted = await mintCredentials(site.settling, site.target, requests)
  const place = { socketPath, chainId: 31337, contract: site.target.contract, otpTtlSeconds: 300 }
  const [first, second] = minted.map(({ machineId, tokenId }) => ({
    ...place,
    id: machineId,
    gecos: `nft=${tokenId},,,`,
  }))
  return { first: first!, second: second! }
}

const code = '123456'

test('the owner of a token logs in; another wallet, code, machine, id or a former owner does not', async () => {
  const site = await openSite()
  const { first, second } = await machinesOf(site)
  const [owner, other] = [1, 2].map(account => new Wallet(site.chain.accounts[account]!.privateKey))
  const login = async (machine: Machine, wallet: Wallet, signed = code, shownAt = Date.now()) =>
    opens(machine, code, shownAt, await wallet.signMessage(otpText(machine.id, signed)))

  expect(first.gecos).toBe('nft=0,,,')
  expect(await login(first, owner!)).toBe(true)
  expect(await login(second, other!)).toBe(true)
  expect(await login(first, other!)).toBe(false)
  expect(await login(first, Wallet.createRandom() as unknown as Wallet)).toBe(false)
  expect(await login(first, owner!, '123457')).toBe(false)
  expect(await login(first, owner!, code, Date.now() - 301_000)).toBe(false)
  expect(await login({ ...first, gecos: 'nft=1,,,' }, owner!)).toBe(false)
  const elsewhere = await owner!.signMessage(otpText(second.id, code))
  expect(await opens(first, code, Date.now(), elsewhere)).toBe(false)

  const raw = await owner!.signTransaction({
    ...(await site.contract['transferFrom']!.populateTransaction(owner!.address, other!.address, 0)),
    ...{ type: 2, chainId: 31337, nonce: 0, gasLimit: 300_000 },
    ...{ maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 10n ** 9n },
  })
  await site.rpc('eth_sendRawTransaction', [raw])
  await site.rpc('anvil_mine', ['0x1'])
  expect(await login(first, owner!)).toBe(false)
  expect(await login(first, other!)).toBe(true)
})
