import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test, vi } from 'vitest'
import { startChain } from '../chain/chain.mts'

async function ask<T>(rpcUrl: string, method: string, params: unknown[] = []): Promise<T> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(rpcUrl, { method: 'POST', headers, body })
  return ((await response.json()) as { result: T }).result
}

test('a chain has its id, its accounts with funds, and blocks at its pace', async () => {
  const chain = await startChain({ blockTimeSeconds: 1, chainId: 4242 })
  onTestFinished(() => chain.close())
  expect(await ask(chain.rpcUrl, 'eth_chainId')).toBe('0x1092')
  expect(await ask<string[]>(chain.rpcUrl, 'eth_accounts')).toEqual(
    chain.accounts.map(({ address }) => address.toLowerCase()),
  )
  const last = chain.accounts.at(-1)!
  expect(BigInt(await ask<string>(chain.rpcUrl, 'eth_getBalance', [last.address, 'latest']))).toBe(10n ** 22n)
  const before = Number(await ask(chain.rpcUrl, 'eth_blockNumber'))
  const after = async () => Number(await ask(chain.rpcUrl, 'eth_blockNumber'))
  await vi.waitFor(async () => expect(await after()).toBeGreaterThan(before + 1), 30_000)
})

test('nothing answers any more when it is closed', async () => {
  const chain = await startChain()
  await chain.close()
  await expect(ask(chain.rpcUrl, 'eth_chainId')).rejects.toThrow('fetch failed')
})

test('it ends with its owner, even when that is killed', async () => {
  const script = `
    const { startChain } = await import('${new URL('../chain/chain.mts', import.meta.url)}')
    console.log((await startChain()).rpcUrl)`
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(owner.stdout!, 'data')
  const rpcUrl = String(line).trim()
  expect(await ask(rpcUrl, 'eth_chainId')).toBe('0x7a69')
  owner.kill('SIGKILL')
  await vi.waitFor(() => expect(ask(rpcUrl, 'eth_chainId')).rejects.toThrow('fetch failed'), 30_000)
})

test('a port that is taken is told', async () => {
  const chain = await startChain()
  onTestFinished(() => chain.close())
  const port = Number(new URL(chain.rpcUrl).port)
  await expect(startChain({ port })).rejects.toThrow(/^the lab's chain did not start: anvil ended with/)
})
