/** `contract` and `mint` as a person types them. */
import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSite, type Site } from './site.mts'

const contract = (...words: string[]): string[] => ['scripts/contract.mts', ...words]
const mint = (wallet: string, ...words: string[]): string[] => [
  'scripts/mint.mts',
  ...['--owner-wallet', wallet, '--machine-id', 'web-1', ...words],
]
const configOf = ({ folder }: Site): string => join(folder, 'config/web3.yaml')

/** Code that takes every token: any call returns the selector of onERC721Received. */
const RECEIVER = `7f150b7a02${'0'.repeat(56)}60005260206000f3`

async function configure(site: Site, change: (text: string) => string): Promise<void> {
  await writeFile(configOf(site), change(await readFile(configOf(site), 'utf8')))
}

test('deploy writes the address to the config and keeps its comments; show and mint find it there', async () => {
  const site = await openSite()
  const wallet = site.chain.accounts[1]!.address
  await configure(site, text => `# kept\n${text.replace(/nft_contract.*\n/, '# nft_contract: here\n')}`)
  expect(await site.run(contract('show'))).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('no contract of access credentials is configured'),
  })

  const planned = await site.run(contract('deploy', '--dry-run', '--json'))
  expect(JSON.parse(planned.stdout)).toMatchObject({
    chainId: 31337,
    gas: expect.stringMatching(/^\d{7,8}$/),
  })
  const killed = await site.run(contract('deploy'), { PROXMINT_TEST_KILL_AT: 'mint-sent' })
  expect(killed.signal).toBe('SIGKILL')
  const deployed = JSON.parse((await site.run(contract('deploy', '--json'))).stdout)
  const config = await readFile(configOf(site), 'utf8')
  expect(config).toContain(`nft_contract: "${deployed.address}"`)
  expect(config).toMatch(/^# kept\n[\s\S]*# nft_contract: here\n/)
  const abi = JSON.parse(await readFile(join(site.folder, 'config/AccessCredentialNFT.abi.json'), 'utf8'))
  expect(abi.map(({ name }: { name?: string }) => name)).toContain('tokenOfOwnerByIndex')
  // The deployment by the test was the first transaction; the killed run's, the second; there is no third.
  expect(await site.rpc('eth_getTransactionCount', [site.settling.signer.address, 'latest'])).toBe('0x2')

  expect(await site.run(contract('deploy'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--replace'),
  })
  const minted = await site.run(mint(wallet))
  expect(minted).toMatchObject({ code: 0, stdout: expect.stringContaining(`token 0 of ${deployed.address}`) })
  const shown = await site.run(contract('show'))
  expect(shown.stdout).toContain(`profile v0.4, owner ${site.settling.signer.address}, 1 token`)
})

test('a dry run needs no key, and sends nothing', async () => {
  const site = await openSite()
  await rm(join(site.folder, 'signer'))
  const wallet = site.chain.accounts[1]!.address
  const planned = await site.run(mint(wallet, '--dry-run', '--expiry-days', '30', '--json'))
  expect(JSON.parse(planned.stdout)).toMatchObject({
    wallet,
    profile: 'v0.4',
    signer: site.settling.signer.address,
    gas: expect.stringMatching(/^\d{6}$/),
  })
  expect(await site.contract['totalSupply']!()).toBe(0n)
  const signed = await site.run(mint(wallet))
  expect(signed).toMatchObject({ code: 4, stderr: expect.stringContaining("cannot read the signer's key") })
})

test('what is wrong is told with its exit code, and the key never', async () => {
  const site = await openSite()
  const wallet = site.chain.accounts[1]!.address
  const key = site.chain.accounts[0]!.privateKey.slice(2)
  const failing = async (
    args: string[],
    env: NodeJS.ProcessEnv,
    code: number,
    words: string,
  ): Promise<void> => {
    const ended = await site.run(args, env)
    expect(ended).toMatchObject({ code, stderr: expect.stringContaining(words) })
    expect(ended.stdout + ended.stderr).not.toContain(key)
  }
  await failing(mint(wallet.toLowerCase()), {}, 2, `lacks the checksum of EIP-55`)
  await failing(mint('0x1'), {}, 2, 'is not an address')
  await failing(['scripts/mint.mts', '--machine-id', 'x'], {}, 2, 'give --owner-wallet and --machine-id')
  await failing(mint(wallet, '--allow', 'reboot'), {}, 2, '--allow goes with --vm')
  await failing(
    mint(wallet),
    { PROXMINT_RPC_URL: 'http://127.0.0.1:1/KEY' },
    1,
    'no RPC server of the chain answers',
  )

  await chmod(join(site.folder, 'signer'), 0o644)
  await failing(mint(wallet), {}, 4, "other users may read the signer's key")
  await writeFile(join(site.folder, 'signer'), site.chain.accounts[3]!.privateKey)
  await chmod(join(site.folder, 'signer'), 0o600)
  await failing(mint(wallet), {}, 4, 'the signer does not own the contract')
  await configure(site, text => text.replace(site.target.contract, site.chain.accounts[5]!.address))
  await failing(mint(wallet), {}, 3, 'there is no contract at')
  await site.rpc('anvil_setCode', [site.chain.accounts[5]!.address, '0x6001600101'])
  await failing(mint(wallet), {}, 3, 'is not a contract of access credentials')
  await configure(site, text => text.replace('31337', '1'))
  await failing(mint(wallet), {}, 3, 'belongs to another chain: 31337, not 1')
})

test('a contract that changes hands at once is given away only if that is agreed to', async () => {
  const site = await openSite()
  const [, , next] = site.chain.accounts
  const code = await site.rpc<string>('eth_getCode', [site.target.contract, 'latest'])
  // Without acceptOwnership it looks like the contract of an older version.
  await site.rpc('anvil_setCode', [site.target.contract, code.replaceAll('6379ba5097', '6300000000')])
  expect(await site.run(contract('hand-over', '--to', next!.address))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('changes hands at once'),
  })
  expect(await site.run(contract('hand-over', '--to', next!.address, '--one-step'))).toMatchObject({
    code: 0,
  })
})

test('a wallet that is a contract is refused unless the config names it', async () => {
  const site = await openSite()
  const [, wallet, delegated] = site.chain.accounts.map(({ address }) => address)
  await site.rpc('anvil_setCode', [wallet, `0x${RECEIVER}`])
  for (const words of [[], ['--dry-run']]) {
    expect(await site.run(mint(wallet!, ...words))).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/is a contract[\s\S]*contract_wallets/),
    })
  }
  expect(await site.contract['totalSupply']!()).toBe(0n)
  await configure(site, text => `${text}contract_wallets: ["${wallet}"]\n`)
  expect(await site.run(mint(wallet!))).toMatchObject({ code: 0 })
  await site.rpc('anvil_setCode', [delegated, `0xef0100${wallet!.slice(2)}`])
  expect(
    await site.run(['scripts/mint.mts', '--owner-wallet', delegated!, '--machine-id', 'web-2']),
  ).toMatchObject({
    code: 0,
  })
})

test('a contract that burns gas when it gets a token gets none', async () => {
  const site = await openSite()
  const wallet = site.chain.accounts[1]!.address
  // Stores to 64 new places, 22 100 gas each, then answers as a receiver does.
  const burner = `0x60405b8080556001900380600257${RECEIVER}`
  await site.rpc('anvil_setCode', [wallet, burner])
  await configure(site, text => `${text}contract_wallets: ["${wallet}"]\n`)
  const ended = await site.run(mint(wallet))
  expect(ended).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('more gas than it may have'),
  })
  expect(await site.contract['totalSupply']!()).toBe(0n)
})

test('the key of the signer is rotated: the old one mints no more, the new one does, tokens stay', async () => {
  const site = await openSite()
  const [, owner, next, stranger] = site.chain.accounts
  expect(await site.run(mint(owner!.address))).toMatchObject({ code: 0 })
  const killed = await site.run(contract('hand-over', '--to', next!.address), {
    PROXMINT_TEST_KILL_AT: 'mint-sent',
  })
  expect(killed.signal).toBe('SIGKILL')
  const handed = await site.run(contract('hand-over', '--to', next!.address))
  expect(handed).toMatchObject({ code: 0, stdout: expect.stringContaining(`offered to ${next!.address}`) })
  expect(await site.contract['owner']!(), 'until it is accepted').toBe(site.settling.signer.address)
  await writeFile(join(site.folder, 'signer'), stranger!.privateKey)
  expect(await site.run(contract('accept'))).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('was not offered to'),
  })
  await writeFile(join(site.folder, 'signer'), next!.privateKey)
  const another = ['scripts/mint.mts', '--owner-wallet', owner!.address, '--machine-id', 'web-2']
  expect(await site.run(another)).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('zx scripts/contract.mts accept'),
  })
  expect(await site.run(contract('accept'))).toMatchObject({ code: 0 })
  expect(await site.run(contract('accept')), 'the second time').toMatchObject({ code: 0 })
  expect(await site.run(another)).toMatchObject({ code: 0 })
  expect(await site.contract['balanceOf']!(owner!.address)).toBe(2n)
  expect(await site.run(contract('hand-over'))).toMatchObject({ code: 2 })
})
