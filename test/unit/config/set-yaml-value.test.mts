import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { setYamlValue } from '../../../scripts/lib/config/set-yaml-value.mts'
import { temporaryFolder } from '../temporary.mts'

let path: string

beforeEach(async () => {
  path = join(await temporaryFolder(), 'web3-defaults.yaml')
})

const set = async () => {
  await setYamlValue(path, ['nft_contract'], '0x1')
  return readFile(path, 'utf8')
}

test.each([0o600, 0o664])('one value changes, and nothing else, nor the mode %o', async mode => {
  await writeFile(path, '# chain\nchain_id: 1 # main\nnft_contract: 0x0\n')
  await chmod(path, mode)
  expect(await set()).toBe('# chain\nchain_id: 1 # main\nnft_contract: "0x1"\n')
  expect((await stat(path)).mode & 0o777).toBe(mode)
})

test('a file that is not there is made', async () => {
  expect(await set()).toBe('nft_contract: "0x1"\n')
})

test('comments alone stay', async () => {
  await writeFile(path, '# nft_contract: 0x...\n')
  expect(await set()).toContain('# nft_contract: 0x...\n')
})
