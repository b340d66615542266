/** The contract on a chain: what its views tell, who may do what, and what it costs. */
import { readFile } from 'node:fs/promises'
import { type Contract, Interface, toUtf8Bytes } from 'ethers'
import { expect, test } from 'vitest'
import { readCredentials } from '../../../scripts/lib/chain/credential.mts'
import { readTogether } from '../../../scripts/lib/chain/credential-reader.mts'
import { deploymentData } from '../../../scripts/lib/chain/deploy.mts'
import { TRANSACTION_GAS_CAP } from '../../../scripts/lib/chain/gas.mts'
import { mintData } from '../../../scripts/lib/chain/mint.mts'
import { openSite, type Site } from './site.mts'

/** Without a block time each transaction is mined at once. */
const openQuickSite = (args: string[] = []): Promise<Site> => openSite({ blockTimeSeconds: undefined, args })

async function send(site: Site, name: string, args: unknown[]): Promise<bigint> {
  const response = await site.contract[name]!(...args)
  return (await response.wait()).gasUsed
}

function documentOf(uri: string): Record<string, unknown> {
  const [, base64] = /^data:application\/json;base64,(.*)$/.exec(uri) ?? []
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(base64!, 'base64')))
}

const nasty =
  'a "quoted" \\ back\\slash, \u0000\u0001\b\t\n\u000b\f\r\u001f\u007f, Zürich \u{1F30D} </script> \'\u2028'

test('the document of a token holds whatever its texts are', async () => {
  const site = await openQuickSite()
  const wallet = site.chain.accounts[1]!.address
  await send(site, 'mint', [wallet, '0xdeadbeef', nasty, nasty, nasty, nasty, 4_000_000_000])
  const { timestamp } = (await site.contract.runner!.provider!.getBlock('latest'))!
  expect(documentOf(await site.contract['tokenURI']!(0))).toEqual({
    name: 'Access Credential #0',
    description: nasty,
    image: nasty,
    animation_url: `data:text/html;base64,${nasty}`,
    attributes: [
      { trait_type: 'Type', value: 'Server Access' },
      { trait_type: 'Issued', display_type: 'date', value: timestamp },
      { trait_type: 'Expires', display_type: 'date', value: 4_000_000_000 },
    ],
    access: { user_encrypted: '0xdeadbeef', decrypt_message: nasty },
  })
})

test('many tokens are read with one request, each with its owner and expiry', async () => {
  const site = await openQuickSite()
  const [, alice, bob] = site.chain.accounts.map(({ address }) => address)
  const expiry = 4_000_000_000
  const facts = ['0x', 'm', 'd', '', '']
  await send(site, 'mint', [alice, ...facts, 0])
  const bobs = Array.from({ length: 40 }, () => bob)
  for (const wallet of bobs) await send(site, 'mint', [wallet, ...facts, expiry])
  const minted = [alice, ...bobs].map((owner, id) => [
    String(id),
    { owner, expiresAt: id === 0 ? 0 : expiry },
  ])
  const ids = Array.from({ length: 200 }, (_, id) => String(id))
  const { contract } = site.target
  expect(await readTogether(site.settling.rpc, contract, ids)).toEqual(new Map(minted as []))
  const all = await readCredentials(site.settling.rpc, contract, ids)
  expect(all.get('40')).toEqual({ tokenId: '40', owner: bob, expiresAt: expiry })
  expect([all.size, [...all.values()].filter(Boolean).length]).toEqual([200, 41])
  const nothing = site.chain.accounts[9]!.address
  expect(await readTogether(site.settling.rpc, nothing, ids), 'no contract there').toBeUndefined()
})

test('a token without page, image and expiry has those of the contract, and none', async () => {
  const site = await openQuickSite()
  const wallet = site.chain.accounts[1]!.address
  await send(site, 'setSigningPage', ['cGFnZQ=='])
  await send(site, 'setDefaultImageUri', ['https://example.org/image'])
  await send(site, 'mint', [wallet, '0x', 'm', 'd', '', '', 0])
  const document = documentOf(await site.contract['tokenURI']!(0))
  expect(document).toMatchObject({
    image: 'https://example.org/image',
    animation_url: 'data:text/html;base64,cGFnZQ==',
    access: { user_encrypted: '0x' },
  })
  expect(document['attributes']).toHaveLength(2)
  await send(site, 'updateAnimationUrl', [0, 'b3du'])
  expect(documentOf(await site.contract['tokenURI']!(0))).toMatchObject({
    animation_url: 'data:text/html;base64,b3du',
  })
})

test('only the owner mints and changes; a failed mint uses up no id', async () => {
  const site = await openQuickSite()
  const [, wallet] = site.chain.accounts
  const asStranger = site.contract.connect(site.contract.runner!.provider!) as Contract
  const stranger = { from: wallet!.address }
  const mint = [wallet!.address, '0x', '', '', '', '', 0] as const
  await send(site, 'mint', [...mint])
  const calls: [string, unknown[]][] = [
    ['mint', [...mint]],
    ['mintBatch', [[], [], [], [], [], [], []]],
    ['updateUserEncrypted', [0, '0x']],
    ['updateExpiration', [0, 1]],
    ['updateAnimationUrl', [0, '']],
    ['setSigningPage', ['']],
    ['setDefaultImageUri', ['']],
  ]
  for (const [name, args] of calls) {
    await expect(asStranger[name]!.staticCall(...args, stranger), name).rejects.toThrow(
      /OwnableUnauthorizedAccount/,
    )
  }
  await expect(send(site, 'mint', [site.target.contract, '0x', '', '', '', '', 0])).rejects.toThrow()
  await send(site, 'mint', [...mint])
  expect(await site.contract['tokenOfOwnerByIndex']!(wallet!.address, 1)).toBe(1n)
})

test('the contract changes hands in two steps, and nobody can leave it without an owner', async () => {
  const site = await openQuickSite()
  const [owner, next, stranger] = site.chain.accounts.map(({ address }) => address)
  const { contract } = site
  const anybody = contract.connect(contract.runner!.provider!) as Contract
  const calling = (name: string, from: string | undefined) => anybody[name]!.staticCall({ from })
  await expect(calling('renounceOwnership', owner)).rejects.toThrow(/OwnershipMustStay/)
  await send(site, 'transferOwnership', [stranger])
  await send(site, 'transferOwnership', [next])
  expect([await contract['owner']!(), await contract['pendingOwner']!()]).toEqual([owner, next])
  await expect(calling('acceptOwnership', stranger)).rejects.toThrow(/OwnableUnauthorizedAccount/)
  await calling('acceptOwnership', next)
})

test('a batch mints all or none, and says the ids', async () => {
  const site = await openQuickSite()
  const wallets = site.chain.accounts.slice(1, 4).map(({ address }) => address)
  const texts = ['', '', '']
  const batch = [wallets, ['0x', '0x01', '0x'], texts, texts, texts, texts, [0, 0, 5]]
  expect(await site.contract['mintBatch']!.staticCall(...batch)).toEqual([0n, 1n, 2n])
  await send(site, 'mintBatch', batch)
  expect(await site.contract['ownerOf']!(2)).toBe(wallets[2])
  expect(await site.contract['isExpired']!(2)).toBe(true)
  await expect(site.contract['mintBatch']!.staticCall(...batch.with(6, [0]))).rejects.toThrow(
    /BatchLengthMismatch/,
  )
  await expect(
    site.contract['mintBatch']!.staticCall(...batch.with(0, [...wallets.slice(1), site.target.contract])),
  ).rejects.toThrow(/ERC721InvalidReceiver/)
})

test('what may change is changed, and told by an event; what is not there is not', async () => {
  const site = await openQuickSite()
  const { contract } = site
  await send(site, 'mint', [site.chain.accounts[1]!.address, '0x', 'm', '', '', '', 0])
  await send(site, 'updateUserEncrypted', [0, '0x0102'])
  await send(site, 'updateExpiration', [0, 7])
  const { userEncrypted, decryptMessage, expiresAt } = await contract['getAccessData']!(0)
  expect({ userEncrypted, decryptMessage, expiresAt }).toEqual({
    userEncrypted: '0x0102',
    decryptMessage: 'm',
    expiresAt: 7n,
  })
  expect(await contract.queryFilter('CredentialUpdated')).toHaveLength(2)
  for (const name of ['getAccessData', 'isExpired', 'tokenURI']) {
    await expect(contract[name]!(1), name).rejects.toThrow(/ERC721NonexistentToken/)
  }
  await expect(contract['updateExpiration']!.staticCall(0, 2n ** 128n)).rejects.toThrow(/ExpirationTooLate/)
})

const largest = 12_288
const imageUri = `data:image/svg+xml;base64,${await readFile(new URL('../../../contracts/image.svg', import.meta.url), 'base64')}`

test('the largest page fits in a transaction of a chain with a cap, and no larger one does', async () => {
  const site = await openQuickSite(['--hardfork', 'osaka'])
  const page = (size: number): string => Buffer.alloc(size, 0x80).toString('base64')
  expect(await send(site, 'setSigningPage', [page(largest)])).toBeLessThan(TRANSACTION_GAS_CAP)
  await expect(site.contract['setSigningPage']!.staticCall(page(largest + 3))).rejects.toThrow(
    /SigningPageTooLarge/,
  )
  const data = await deploymentData({
    name: 'n',
    symbol: 's',
    signingPage: Buffer.alloc(largest, 0x80),
    imageUri,
  })
  const gas = await site.rpc<string>('eth_estimateGas', [{ from: site.chain.accounts[0]!.address, data }])
  expect(BigInt(gas)).toBeLessThan(TRANSACTION_GAS_CAP)
})

const ownPage = new URL('../../../contracts/signing-page/index.html', import.meta.url)

/** Rounded, as the table in the docs has it; the table is right to a twentieth. */
test('the gas table of the docs is so', async () => {
  const site = await openQuickSite()
  const accounts = site.chain.accounts.map(({ address }) => address)
  const request = (index: number) => ({
    wallet: accounts[index]!,
    machineId: `web-${index}`,
    expiresAt: 4_000_000_000,
  })
  const v04 = new Interface(
    JSON.parse(
      await readFile(new URL('../../../contracts/build/AccessCredentialNFT.json', import.meta.url), 'utf8'),
    ).abi,
  )
  const mint = (index: number) => [...v04.decodeFunctionData('mint', mintData(site.target, request(index)))]
  const batch = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1].map(mint)
  const columns = batch[0]!.map((_, column) => batch.map(row => row[column]))
  const estimate = async (page: Uint8Array) => {
    const data = await deploymentData({
      name: 'Access Credential',
      symbol: 'ACCESS',
      signingPage: page,
      imageUri,
    })
    return BigInt(await site.rpc<string>('eth_estimateGas', [{ from: accounts[0], data }]))
  }
  const measured = {
    'deployment without a page': await estimate(new Uint8Array()),
    "deployment with proxmint's page": await estimate(await readFile(ownPage)),
    'deployment with the largest page': await estimate(Buffer.alloc(largest, 0x80)),
    'first mint': await send(site, 'mint', mint(1)),
    mint: await send(site, 'mint', mint(1)),
    'mint in a batch of 10, each': (await send(site, 'mintBatch', columns)) / 10n,
    updateUserEncrypted: await send(site, 'updateUserEncrypted', [0, toUtf8Bytes('x'.repeat(90))]),
    updateExpiration: await send(site, 'updateExpiration', [0, 4_000_000_001]),
  }
  const docs = await readFile(new URL('../../../docs/access.md', import.meta.url), 'utf8')
  const told = new Map(
    [...docs.matchAll(/^\| ([^|]+) \| ([\d ]+) \|$/gm)].map(([, what, gas]) => [
      what,
      Number(gas!.replaceAll(' ', '')),
    ]),
  )
  for (const [what, gas] of Object.entries(measured)) {
    expect.soft(Math.abs(Number(gas) / (told.get(what) ?? 0) - 1), `${what}: ${gas} gas`).toBeLessThan(0.05)
  }
})
