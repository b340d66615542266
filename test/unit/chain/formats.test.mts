/** The vectors were computed with other implementations: they hold the formats to what libpam-web3 reads. */
import { Wallet } from 'ethers'
import { expect, test } from 'vitest'
import { labAccounts } from '../../../lab/chain/accounts.mts'
import { encryptFor, encryptForUser, userKey } from '../../../scripts/lib/chain/encryption.mts'
import { checkedAddress } from '../../../scripts/lib/chain/wallet.mts'
import { failureOf } from '../failure.mts'
import { decryptForUser, decryptWith, otpText } from './token-owner.mts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const bytes = (text: string): Uint8Array => Buffer.from(text, 'hex')

const eciesKey = 'e520872701d9ec44dbac2eab85512ad14ad0c42e01de56d7b528abd8524fcb47'
const eciesText =
  '047be1885aeb48d4d4db0c992996725d3264784fef88c5b60782f8d0f940c213227fc3f904f846d5ec3d0fba6653754501e8ebadc421aa' +
  '3892a20fef33cff0206047058a4cfb4efbeae96b2d019b4ab2edce33328748a0d008a69c8f5816b72d45bd9b5a41bb6ea0127ab23057ec6fcd'

test('a machine id that another implementation encrypted is read', () => {
  expect(decryptWith(eciesKey, bytes(eciesText))).toBe('hello world\u{1F30D}')
})

test('a machine id is encrypted anew each time, and for one key alone', () => {
  const { publicKey } = new Wallet(eciesKey).signingKey
  const [one, two] = [encryptFor(publicKey.slice(2), 'web-1'), encryptFor(publicKey.slice(2), 'web-1')]
  expect(hex(one)).not.toBe(hex(two))
  expect(one).toHaveLength(65 + 16 + 16 + 'web-1'.length)
  expect(decryptWith(eciesKey, one)).toBe('web-1')
  expect(() => decryptWith('1'.repeat(64), one)).toThrow()
})

const signature = `0x${'42'.repeat(65)}`

test('what is encrypted for the user is what libpam-web3 writes', () => {
  expect(hex(userKey(signature))).toBe('4072f91338c0ffa5495d2ffba9a1a68095808e46e7f81d1fd016c7d213cfd058')
  const encrypted = encryptForUser(signature, 'server-prod-01', bytes('000102030405060708090a0b'))
  expect(hex(encrypted)).toBe(
    '000102030405060708090a0b747108621a3aaf8c7948353b7f34fb851607f53a63f995a80c10814d59e7',
  )
  expect(decryptForUser(signature, encrypted)).toBe('server-prod-01')
})

test('it is read with no other signature, and not when changed or cut', () => {
  const encrypted = encryptForUser(signature, '{"hostname":"web-1","port":22,"username":"admin"}')
  expect(() => decryptForUser(`0x${'43'.repeat(65)}`, encrypted)).toThrow()
  expect(() => decryptForUser(signature, encrypted.with(20, encrypted[20]! ^ 1))).toThrow()
  expect(() => decryptForUser(signature, encrypted.subarray(0, 27))).toThrow('too short')
  expect(() => userKey('0x4242')).toThrow('a signature has 65 bytes, not 2')
})

test('the text that is signed to log in is the one the VM checks', async () => {
  const text = otpText('server-prod-01', '123456')
  expect(text).toBe('Authenticate to server-prod-01 with code: 123456')
  expect(await new Wallet(labAccounts(1)[0]!.privateKey).signMessage(text)).toBe(
    '0x41ce1aa9f4a35ee48ef0449f4aeacc05657a87faa060d682ba36db44356814d8' +
      '635f540cf36f36fe854f5392909f28e226a3b8ae8a6cb4821ceb80574f674aab1b',
  )
})

const address = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'

test('a wallet with its checksum is taken as it is', () => {
  expect(checkedAddress('--owner-wallet', address)).toBe(address)
})

test.each([
  ['vitalik.eth', '--owner-wallet is not an address'],
  [address.slice(0, -1), '--owner-wallet is not an address'],
  [`0x${'0'.repeat(40)}`, '--owner-wallet is the zero address'],
  [address.toLowerCase(), '--owner-wallet lacks the checksum'],
  [`0x${address.slice(2).toUpperCase()}`, '--owner-wallet lacks the checksum'],
  [address.replace('9Fd6', '9fd6'), '--owner-wallet has a wrong checksum'],
  [address.replace('51aad', '51abd'), '--owner-wallet has a wrong checksum'],
])('the wallet %s is refused', async (text, message) => {
  const failure = await failureOf(() => checkedAddress('--owner-wallet', text))
  expect(failure).toMatchObject({ exitCode: 2, message: expect.stringContaining(message) })
})

test('the hint for a wallet in lower case is the one with its checksum', async () => {
  const { hint } = await failureOf(() => checkedAddress('--owner-wallet', address.toLowerCase()))
  expect(hint).toContain(address)
})
