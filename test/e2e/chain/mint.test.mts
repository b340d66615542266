/** Minting against a real chain: once, whatever dies, drops or turns back. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { mintCredentials } from '../../../scripts/lib/chain/mint.mts'
import { createRpc } from '../../../scripts/lib/chain/rpc.mts'
import { MINT_CHECKPOINTS } from '../../checkpoints.mts'
import { isStopped } from '../../stopped.mts'
import { failureOf } from '../../unit/failure.mts'
import { ageLocks } from '../locks.mts'
import { openSite, type Site } from './site.mts'

const requestFor = ({ chain }: Site, machineId: string, account = 1) => ({
  wallet: chain.accounts[account]!.address,
  machineId,
  expiresAt: 0,
})

async function tokensOf({ contract, chain }: Site, account = 1): Promise<bigint> {
  return contract['balanceOf']!(chain.accounts[account]!.address)
}

const mintArguments = ({ chain }: Site) => [
  'scripts/mint.mts',
  ...['--owner-wallet', chain.accounts[1]!.address, '--machine-id', 'web-1', '--json'],
]

test.each(MINT_CHECKPOINTS)('killed at %s, the next run ends with one token', async moment => {
  const site = await openSite()
  const killed = await site.run(mintArguments(site), { PROXMINT_TEST_KILL_AT: moment })
  expect(killed.signal).toBe('SIGKILL')
  await ageLocks(site.folder)
  const next = await site.run(mintArguments(site))
  expect(next).toMatchObject({ code: 0 })
  expect(JSON.parse(next.stdout)).toMatchObject({ tokenId: '0', machineId: 'web-1' })
  const again = await site.run(mintArguments(site))
  expect(again.stdout).toBe(next.stdout)
  expect(await site.contract['totalSupply']!()).toBe(1n)
})

test.each([
  ['mint-unsigned', 5],
  ['mint-stored', 5],
  ['mint-sent', 5],
  ['mint-mined', 0],
])('stopped at %s while another run takes over and mints, it ends with %i', async (moment, code) => {
  const site = await openSite()
  const stopped = site.start(mintArguments(site), { PROXMINT_TEST_STOP_AT: moment })
  while (!(await isStopped(stopped.pid))) await sleep(20)
  await ageLocks(site.folder)
  const other = await site.run(mintArguments(site))
  expect(other).toMatchObject({ code: 0 })
  process.kill(stopped.pid, 'SIGCONT')
  const late = await stopped.ended
  expect(late.code, late.stderr).toBe(code)
  if (code === 5) expect(late.stderr).toMatch(/took over the lock of the signer|its lock was lost/)
  else expect(late.stdout).toBe(other.stdout)
  expect(await site.contract['totalSupply']!()).toBe(1n)
  // The deployment was the signer's first transaction.
  expect(await site.rpc('eth_getTransactionCount', [site.settling.signer.address, 'pending'])).toBe('0x2')
  expect((await site.run(mintArguments(site))).stdout).toBe(other.stdout)
})

test('a batch is minted in pipelined transactions, each with the id of its own receipt', async () => {
  const site = await openSite()
  const requests = [1, 2, 3, 4, 5, 6].map(account => requestFor(site, `vm-${account}`, account))
  const minted = await mintCredentials(site.settling, site.target, requests)
  expect(minted.map(({ tokenId }) => tokenId).sort()).toEqual(['0', '1', '2', '3', '4', '5'])
  for (const { tokenId, wallet } of minted) expect(await site.contract['ownerOf']!(tokenId)).toBe(wallet)
})

test('two VMs of one name have a token each; the entry of a VM never has two', async () => {
  const site = await openSite()
  const request = (entryId: string, machineId = 'web-1') => ({ ...requestFor(site, machineId), entryId })
  const mint = (...requests: ReturnType<typeof request>[]) =>
    mintCredentials(site.settling, site.target, requests)
  const minted = await mint(request('aaaa'), request('bbbb'))
  expect(minted.map(({ tokenId }) => tokenId)).toEqual(['0', '1'])
  expect((await mint(request('bbbb')))[0]?.tokenId).toBe('1')
  const other = await failureOf(() => mint(request('bbbb', 'web-2')))
  expect(other).toMatchObject({ exitCode: 2, message: expect.stringContaining('with another machineId') })
  expect(await failureOf(() => mint(request('cccc'), request('cccc')))).toMatchObject({ exitCode: 2 })
  expect(await tokensOf(site)).toBe(2n)
})

test('eight processes with one signer mint forty tokens without a gap', async () => {
  const site = await openSite()
  const worker = [
    join(import.meta.dirname, 'mint-worker.mts'),
    site.folder,
    site.chain.rpcUrl,
    site.target.contract,
  ]
  const runs = await Promise.all(
    Array.from({ length: 8 }, (_, index) => site.run([...worker, `p${index}`, '5'])),
  )
  expect(runs.map(({ code, stderr }) => [code, stderr])).toEqual(runs.map(() => [0, '']))
  const ids = runs.flatMap(({ stdout }) => JSON.parse(stdout) as string[])
  expect(new Set(ids).size).toBe(40)
  expect(await site.contract['totalSupply']!()).toBe(40n)
  // The deployment was the signer's first transaction.
  expect(await site.rpc('eth_getTransactionCount', [site.settling.signer.address, 'latest'])).toBe('0x29')
})

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

test('the chain does not answer: a clear failure, and the same request goes on', async () => {
  const site = await openSite()
  const closed = await closedPort()
  const down = createRpc({ urls: [`http://127.0.0.1:${closed}/KEY`], chainId: 31337, rounds: 1 })
  const failure = await failureOf(() =>
    mintCredentials({ ...site.settling, rpc: down }, site.target, [requestFor(site, 'web-1')]),
  )
  expect(failure).toMatchObject({ exitCode: 1, facts: { [`127.0.0.1:${closed}`]: 'ECONNREFUSED' } })
  expect(JSON.stringify(failure)).not.toContain('KEY')
  const second = createRpc({ urls: [`http://127.0.0.1:${closed}`, site.chain.rpcUrl], chainId: 31337 })
  const [minted] = await mintCredentials({ ...site.settling, rpc: second }, site.target, [
    requestFor(site, 'web-1'),
  ])
  expect(minted?.tokenId).toBe('0')
})

test('a server of another chain is refused before anything is sent', async () => {
  const site = await openSite()
  const rpc = createRpc({ urls: [site.chain.rpcUrl], chainId: 1 })
  const failure = await failureOf(() =>
    mintCredentials({ ...site.settling, rpc }, site.target, [requestFor(site, 'web-1')]),
  )
  expect(failure).toMatchObject({
    exitCode: 3,
    message: expect.stringContaining('another chain: 31337, not 1'),
  })
})

test('a signer without funds is told what it lacks; with funds the same request goes on', async () => {
  const site = await openSite()
  const { address } = site.settling.signer
  await site.rpc('anvil_setBalance', [address, '0x1'])
  const failure = await failureOf(() =>
    mintCredentials(site.settling, site.target, [requestFor(site, 'web-1')]),
  )
  expect(failure.message).toMatch(/cannot pay|would revert/)
  await site.rpc('anvil_setBalance', [address, '0x56bc75e2d63100000'])
  const [minted] = await mintCredentials(site.settling, site.target, [requestFor(site, 'web-1')])
  expect(minted?.tokenId).toBe('0')
})

test('a stuck transaction is sent again with the same nonce and higher fees', async () => {
  const site = await openSite()
  const minting = mintCredentials({ ...site.settling, stuckMs: 1500 }, site.target, [
    requestFor(site, 'web-1'),
  ])
  // The base fee jumps above what was offered.
  await site.rpc('anvil_setNextBlockBaseFeePerGas', ['0x2540be400'])
  const holding = setInterval(() => {
    site.rpc('anvil_setNextBlockBaseFeePerGas', ['0x2540be400']).catch(() => undefined)
  }, 100)
  const [minted] = await minting.finally(() => clearInterval(holding))
  expect(minted?.tokenId).toBe('0')
  const stored = (await site.settling.journal.get(keyOf(site, 'web-1')))!
  expect(stored.attempts.length).toBeGreaterThan(1)
  expect(await tokensOf(site)).toBe(1n)
})

/** Blocks come when asked for; the deployment is mined before. */
async function withoutBlocks(site: Site): Promise<() => Promise<void>> {
  await site.rpc('evm_setIntervalMining', [0])
  return async () => {
    await site.rpc('anvil_mine', ['0x1'])
  }
}

const keyOf = ({ target }: Site, machineId: string): string =>
  `mint-${target.contract.slice(2, 10).toLowerCase()}-${machineId}`

/** Until the chain has the transaction of a machine id waiting or mined. */
async function sent(site: Site, machineId: string): Promise<string> {
  return vi.waitFor(async () => {
    const stored = await site.settling.journal.get(keyOf(site, machineId))
    const hash = stored!.attempts[0]!.hash
    expect(await site.rpc('eth_getTransactionByHash', [hash])).not.toBeNull()
    return hash
  }, waiting)
}

const waiting = { timeout: 60_000, interval: 100 }

test('a mint that a reorganisation takes out of the chain is sent again', async () => {
  const site = await openSite()
  const mine = await withoutBlocks(site)
  const minting = mintCredentials({ ...site.settling, stuckMs: 600_000 }, site.target, [
    requestFor(site, 'web-1'),
  ])
  const hash = await sent(site, 'web-1')
  await mine()
  expect(await tokensOf(site)).toBe(1n)
  await site.rpc('anvil_reorg', [1, []])
  expect(await tokensOf(site)).toBe(0n)
  const mining = setInterval(() => void mine(), 300)
  const [minted] = await minting.finally(() => clearInterval(mining))
  expect(minted).toMatchObject({ tokenId: '0', transactionHash: hash })
  expect(await tokensOf(site)).toBe(1n)
})

test('where another transaction takes its nonce in the new chain, it is signed anew, and its id is the new one', async () => {
  const site = await openSite()
  const mine = await withoutBlocks(site)
  const minting = mintCredentials({ ...site.settling, stuckMs: 600_000 }, site.target, [
    requestFor(site, 'web-1'),
  ])
  await sent(site, 'web-1')
  await mine()
  expect(await tokensOf(site)).toBe(1n)
  const others = [site.chain.accounts[2]!.address, '0x', '', '', '', '', 0]
  const raw = await site.signed(await site.contract['mint']!.populateTransaction(...others), 1)
  await site.rpc('anvil_reorg', [1, [[raw, 0]]])
  expect(await tokensOf(site, 2)).toBe(1n)
  const mining = setInterval(() => void mine(), 300)
  const [minted] = await minting.finally(() => clearInterval(mining))
  expect(minted?.tokenId).toBe('1')
  expect([await tokensOf(site), await tokensOf(site, 2)]).toEqual([1n, 1n])
})

test('a contract that would revert is told before anything is signed', async () => {
  const site = await openSite()
  const receiver = { ...requestFor(site, 'web-1'), wallet: site.target.contract }
  const failure = await failureOf(() => mintCredentials(site.settling, site.target, [receiver]))
  expect(failure.message).toContain('ERC721InvalidReceiver')
  expect(await site.settling.journal.listPending()).toEqual([])
})

/** Where Solidity puts the owner of the contract. */
const OWNER_SLOT = '0xa'

test('a mint that reverts on the chain is told, and the same request mints', async () => {
  const site = await openSite()
  const mine = await withoutBlocks(site)
  const slot = await site.rpc<string>('eth_getStorageAt', [site.target.contract, OWNER_SLOT, 'latest'])
  expect(slot).toContain(site.settling.signer.address.slice(2).toLowerCase())
  const failing = failureOf(() => mintCredentials(site.settling, site.target, [requestFor(site, 'web-1')]))
  await sent(site, 'web-1')
  await site.rpc('anvil_setStorageAt', [site.target.contract, OWNER_SLOT, `0x${'1'.padStart(64, '0')}`])
  await mine()
  await mine()
  expect(await failing).toMatchObject({ message: 'the contract reverted: the mint for web-1', exitCode: 1 })
  await site.rpc('anvil_setStorageAt', [site.target.contract, OWNER_SLOT, slot])
  await site.rpc('evm_setIntervalMining', [1])
  const [minted] = await mintCredentials(site.settling, site.target, [requestFor(site, 'web-1')])
  expect(minted?.tokenId).toBe('0')
})
