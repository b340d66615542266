import { Wallet } from 'ethers'
import { describe, expect, test } from 'vitest'
import { credentialInterface, MINT_SIGNATURES } from '../../../scripts/lib/chain/contract.mts'
import { bumpedFees } from '../../../scripts/lib/chain/fees.mts'
import { checkedMachineId, mintData } from '../../../scripts/lib/chain/mint.mts'
import { failureOf } from '../failure.mts'
import { decryptWith } from './token-owner.mts'

const wallet = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
const contract = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
const request = { wallet, machineId: 'web-1', expiresAt: 1_800_000_000 }
const hexOf = (text: string): string => Buffer.from(text).toString('hex')

describe('the data of a mint', () => {
  test('of profile v0.4 holds the wallet and no host name', () => {
    const data = mintData({ contract, profile: 'v0.4', serverPublicKey: undefined }, request)
    expect(data).toMatch(/^0x2648b0ed/)
    expect(data).not.toContain(hexOf('web-1'))
    const [to, userEncrypted, message, , , , expiresAt] = credentialInterface.decodeFunctionData(
      MINT_SIGNATURES['v0.4'],
      data,
    )
    expect([to, userEncrypted, expiresAt]).toEqual([wallet, '0x', 1_800_000_000n])
    expect(message).toMatch(new RegExp(`^libpam-web3:${wallet}:[0-9a-f]{32}$`))
  })

  test('of profile v0.2 holds the machine id for the key of the server alone', () => {
    const server = Wallet.createRandom()
    const serverPublicKey = server.signingKey.publicKey.slice(2)
    const data = mintData({ contract, profile: 'v0.2', serverPublicKey }, request)
    expect(data).toMatch(/^0x4be9b356/)
    expect(data).not.toContain(hexOf('web-1'))
    const [, serverEncrypted] = credentialInterface.decodeFunctionData(MINT_SIGNATURES['v0.2'], data)
    expect(decryptWith(server.privateKey, Buffer.from(serverEncrypted.slice(2), 'hex'))).toBe('web-1')
  })

  test('of profile v0.2 wants that key', async () => {
    const target = { contract, profile: 'v0.2' as const, serverPublicKey: undefined }
    expect(await failureOf(() => mintData(target, request))).toMatchObject({
      exitCode: 3,
      hint: expect.stringContaining('server.public_key'),
    })
  })
})

test.each(['web-1', '1', 'a.b_c-9', 'x'.repeat(63)])('%s is a machine id', text => {
  expect(checkedMachineId(text)).toBe(text)
})

test.each(['', '../x', 'a/b', '.a', '-a', 'Web', 'a b', 'a\n', 'x'.repeat(64), 'é'])(
  '"%s" is none',
  async text => {
    expect(await failureOf(() => checkedMachineId(text))).toMatchObject({ exitCode: 2 })
  },
)

test.each([
  [{ last: 100n, current: 90n }, 126n],
  [{ last: 100n, current: 200n }, 200n],
  [{ last: 0n, current: 0n }, 1n],
])('a replacement pays a quarter more, or what the chain wants (%#)', ({ last, current }, expected) => {
  const fees = (fee: bigint) => ({ maxFeePerGas: fee, maxPriorityFeePerGas: fee })
  expect(bumpedFees(fees(last), fees(current))).toEqual(fees(expected))
})
