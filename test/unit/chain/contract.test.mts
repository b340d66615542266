/** The contract's shape: what libpam-web3 and its tools find in its code. */
import { readFile } from 'node:fs/promises'
import { Interface, type InterfaceAbi } from 'ethers'
import { expect, test } from 'vitest'
import { buildFile, compileContract, contractNames } from '../../../contracts/compile.mts'
import { profileOf } from '../../../scripts/lib/chain/contract.mts'

const text = await readFile(buildFile('AccessCredentialNFT'), 'utf8')
const build = JSON.parse(text) as { abi: InterfaceAbi; bytecode: string; deployedBytecode: string }
const contract = new Interface(build.abi)

test.each(contractNames)(
  'the build of %s is what its source compiles to, without a warning',
  {
    timeout: 300_000,
  },
  async name => {
    expect(await compileContract(name)).toBe(await readFile(buildFile(name), 'utf8'))
  },
)

test.each([
  ['mint', '2648b0ed'],
  ['mintBatch', '157051d9'],
  ['updateUserEncrypted', '804a083e'],
  ['updateExpiration', 'a00a4601'],
  ['updateAnimationUrl', 'bf837459'],
  ['setDefaultImageUri', '6478c9ef'],
  ['setSigningPage', '88c91f74'],
  ['getAccessData', '3d79e350'],
  ['isExpired', 'd9548e53'],
  ['balanceOf', '70a08231'],
  ['tokenOfOwnerByIndex', '2f745c59'],
])('%s has the selector %s of profile v0.4', (name, selector) => {
  expect(contract.getFunction(name)?.selector).toBe(`0x${selector}`)
  expect(build.deployedBytecode).toContain(`63${selector}`)
})

test('the event of a mint is that of profile v0.4', () => {
  expect(contract.getEvent('CredentialMinted')?.format('full')).toBe(
    'event CredentialMinted(uint256 indexed tokenId, address indexed recipient, uint256 issuedAt, uint256 expiresAt)',
  )
})

const common = '638da5cb5b632f745c59'

test.each([
  [build.deployedBytecode, 'v0.4'],
  [`0x${common}634be9b356`, 'v0.2'],
  [`0x${common}632648b0ed`, 'v0.4'],
  [`0x${common}6340c10f19`, undefined],
  ['0x632648b0ed', undefined],
  ['0x', undefined],
])('the profile of code is told by its selectors (%#)', (code, profile) => {
  expect(profileOf(code)).toBe(profile)
})
