import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encryptKeystoreJsonSync, Transaction } from 'ethers'
import { expect, test } from 'vitest'
import { labAccounts } from '../../../lab/chain/accounts.mts'
import { loadSigner } from '../../../scripts/lib/chain/signer.mts'
import { redact } from '../../../scripts/lib/run/redact.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const [account, other] = labAccounts(2)
const key = account!.privateKey.slice(2)

async function keyFile(content: string, mode = 0o600): Promise<string> {
  const path = join(await temporaryFolder(), 'signer')
  await writeFile(path, content)
  await chmod(path, mode)
  return path
}

test.each([key, `0x${key}`, `0x${key.toUpperCase()}\n`, ` ${key}\r\n`])(
  'a key in hex is read (%#)',
  async text => {
    expect((await loadSigner(await keyFile(text), {})).address).toBe(account!.address)
  },
)

test('it signs transactions of type 2 for one chain', async () => {
  const signer = await loadSigner(await keyFile(key), {})
  const fields = { chainId: 31337, nonce: 3, to: other!.address, data: '0x01', gasLimit: 21_000n }
  const raw = await signer.sign({ ...fields, maxFeePerGas: 9n, maxPriorityFeePerGas: 1n })
  expect(Transaction.from(raw)).toMatchObject({ type: 2, chainId: 31337n, nonce: 3, from: account!.address })
})

test('a key that was read is shown nowhere any more', async () => {
  await loadSigner(await keyFile(key), {})
  expect(redact(`0x${key} ${key}`)).toBe('0x*** ***')
})

test.each([0o640, 0o604, 0o660, 0o644])('a file that others may read is refused (%o)', async mode => {
  const path = await keyFile(key, mode)
  const failure = await failureOf(() => loadSigner(path, {}))
  expect(failure).toMatchObject({ exitCode: 4, hint: expect.stringContaining(`chmod 600 ${path}`) })
  expect(JSON.stringify(failure)).not.toContain(key)
})

test.each(['', 'not a key', key.slice(1), '0'.repeat(64), 'f'.repeat(64)])(
  'what is no key is refused without being shown (%#)',
  async text => {
    const failure = await failureOf(async () => loadSigner(await keyFile(text), {}))
    expect(failure).toMatchObject({ exitCode: 3, message: expect.stringContaining('holds no private key') })
    expect(failure.message).not.toContain(text || 'undefined')
  },
)

test('neither a missing file nor a missing setting is a defect', async () => {
  expect(await failureOf(() => loadSigner(undefined, {}))).toMatchObject({
    exitCode: 4,
    hint: 'set deployer.private_key_file in config/web3-defaults.yaml',
  })
  for (const path of ['/nowhere/key', '/nowhere/key.enc.yaml']) {
    expect(await failureOf(() => loadSigner(path, {}))).toMatchObject({
      message: `cannot read the signer's key: ${path}: ENOENT`,
      exitCode: 4,
    })
  }
})

/** As cheap as the format allows, for the sake of the machine. */
const keystore = encryptKeystoreJsonSync(
  { address: account!.address, privateKey: account!.privateKey },
  'a password',
  {
    scrypt: { N: 2, r: 1, p: 1 },
  },
)

test('an encrypted keystore is opened with the password of a file, or of the environment', async () => {
  const path = await keyFile(keystore)
  const passwordFile = await keyFile('a password\n')
  const byFile = await loadSigner(path, { PROXMINT_SIGNER_PASSWORD_FILE: passwordFile })
  const byValue = await loadSigner(path, { PROXMINT_SIGNER_PASSWORD: 'a password' })
  expect([byFile.address, byValue.address]).toEqual([account!.address, account!.address])
})

test('a keystore without its password, or with another, is refused', async () => {
  const path = await keyFile(keystore)
  expect((await failureOf(() => loadSigner(path, {}))).message).toContain('its password is not set')
  const wrong = await failureOf(() => loadSigner(path, { PROXMINT_SIGNER_PASSWORD: 'another one' }))
  expect(wrong).toMatchObject({ exitCode: 4, hint: 'the password is wrong, or the file is damaged' })
  const open = await keyFile('a password', 0o644)
  expect(await failureOf(() => loadSigner(path, { PROXMINT_SIGNER_PASSWORD_FILE: open }))).toMatchObject({
    message: expect.stringContaining("other users may read the keystore's password"),
  })
})
