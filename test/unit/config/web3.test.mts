import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { loadWeb3 } from '../../../scripts/lib/config/web3.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

async function load(text: string, env: NodeJS.ProcessEnv = {}) {
  const path = join(await temporaryFolder(), 'web3.yaml')
  await writeFile(path, text)
  return loadWeb3({ ...env, PROXMINT_WEB3: path })
}

test('the commented file holds the defaults', async () => {
  expect(await loadWeb3({})).toEqual(await load(''))
  expect(await load('')).toEqual({
    chainId: 11155111,
    nftContract: undefined,
    rpcUrls: [],
    profile: 'auto',
    confirmations: 2,
    maxTipGwei: 100,
    contractWallets: [],
    privateKeyFile: undefined,
    serverPublicKey: undefined,
    signingPagePort: 8080,
    otpLength: 6,
    otpTtlSeconds: 300,
  })
})

test('one RPC server or several, and those of the environment before them', async () => {
  expect((await load('rpc_url: https://a.example')).rpcUrls).toEqual(['https://a.example'])
  expect((await load('rpc_url: [https://a.example, http://b.example]')).rpcUrls).toHaveLength(2)
  const env = { PROXMINT_RPC_URL: 'https://x.example/KEY, https://y.example' }
  expect((await load('rpc_url: https://a.example', env)).rpcUrls).toEqual([
    'https://x.example/KEY',
    'https://y.example',
  ])
})

test('the key file is looked for from the root of the project', async () => {
  const config = await load('deployer: { private_key_file: secrets/signer }')
  expect(config.privateKeyFile).toBe(resolve('secrets/signer'))
})

test.each([
  ['chain_id: 1\nnft_contrat: x', 'line 2: nft_contrat is not a known key; did you mean nft_contract?'],
  ['auth:\n  otp_lenght: 6', 'line 2: auth.otp_lenght is not a known key; did you mean otp_length?'],
  ['chain_id: sepolia', 'line 1: chain_id must be integer, not "sepolia"'],
  ['max_tip_gwei: 0', 'line 1: max_tip_gwei must be > 0, not 0'],
  ['confirmations: 0', 'line 1: confirmations must be >= 1, not 0'],
  ['rpc_url: ws://a.example/KEY', 'line 1: rpc_url must be an http or https URL, or a list of them'],
  ['profile: v0.3', 'line 1: profile must be one of auto, v0.2, v0.4, not v0.3; did you mean v0.2?'],
])('%j is refused', async (text, fault) => {
  const { message, exitCode } = await failureOf(() => load(text))
  expect(message).toContain(fault)
  expect(message).not.toContain('KEY')
  expect(exitCode).toBe(3)
})

test('an RPC server of the environment is not shown when it is wrong', async () => {
  const { message } = await failureOf(() => load('', { PROXMINT_RPC_URL: 'ftp://a.example/KEY' }))
  expect(message).toBe('PROXMINT_RPC_URL must hold http or https URLs only')
})
