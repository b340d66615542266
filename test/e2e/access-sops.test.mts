/** The signer's key in a SOPS file, with the real sops. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test, vi } from 'vitest'
import { labAccounts } from '../../lab/chain/accounts.mts'
import { loadSigner } from '../../scripts/lib/chain/signer.mts'
import { requireTool } from '../../scripts/lib/tools/find.mts'
import { failureOf } from '../unit/failure.mts'

const run = promisify(execFile)
const [account] = labAccounts(1)

/** Encrypted for an identity of its own, which SOPS_AGE_KEY_FILE names until the test ends. */
async function encrypted(content: string, ...rule: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-signer-'))
  const [identity, file] = [join(folder, 'identity'), join(folder, 'signer.enc.yaml')]
  const [sops, age] = await Promise.all([requireTool('sops'), requireTool('age')])
  await run(join(dirname(age.file), 'age-keygen'), ['-o', identity])
  const recipient = /public key: (age1\w+)/.exec(await readFile(identity, 'utf8'))![1]!
  await writeFile(file, content)
  await run(sops.file, ['--encrypt', '--age', recipient, ...rule, '--in-place', file], { cwd: folder })
  const before = process.env['SOPS_AGE_KEY_FILE']
  process.env['SOPS_AGE_KEY_FILE'] = identity
  onTestFinished(async () => {
    if (before === undefined) delete process.env['SOPS_AGE_KEY_FILE']
    else process.env['SOPS_AGE_KEY_FILE'] = before
    await rm(folder, { recursive: true, force: true })
  })
  return file
}

test('the key of a SOPS file signs, whoever may read the file', async () => {
  const file = await encrypted(`signer_private_key: "${account!.privateKey}"\n`)
  expect(await readFile(file, 'utf8')).not.toContain(account!.privateKey.slice(2))
  expect((await loadSigner(file, {})).address).toBe(account!.address)
})

test('an identity that stands in the environment itself opens it', async () => {
  const file = await encrypted(`signer_private_key: "${account!.privateKey}"\n`)
  vi.stubEnv('SOPS_AGE_KEY', await readFile(process.env['SOPS_AGE_KEY_FILE']!, 'utf8'))
  onTestFinished(() => void vi.unstubAllEnvs())
  process.env['SOPS_AGE_KEY_FILE'] = join(dirname(file), 'nothing')
  expect((await loadSigner(file, {})).address).toBe(account!.address)
})

test('a SOPS file without it is refused, and what it needs is told', async () => {
  const file = await encrypted('signer_key: something\n')
  expect(await failureOf(() => loadSigner(file, {}))).toMatchObject({
    exitCode: 3,
    message: `${file} holds no private key`,
    hint: expect.stringContaining('signer_private_key'),
  })
})

test('a key that SOPS left in the clear is refused, and not shown', async () => {
  const key = account!.privateKey
  const file = await encrypted(`signer_private_key: "${key}"\n`, '--encrypted-regex', '^(data|stringData)$')
  const failure = await failureOf(() => loadSigner(file, {}))
  expect(failure).toMatchObject({
    exitCode: 4,
    message: `SOPS leaves signer_private_key in the clear in ${file}`,
    facts: { rule: expect.stringContaining('encrypted_regex: ^(data|stringData)$') },
  })
  expect(JSON.stringify(failure)).not.toContain(key.slice(2))
})
