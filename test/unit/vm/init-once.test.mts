import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { TerraformSetting } from '../../../scripts/lib/terraform/commands.mts'
import { initOnce } from '../../../scripts/lib/vm/stack/init-once.mts'
import { temporaryFolder } from '../temporary.mts'

const tool = (name: 'opentofu' | 'proxmox-provider', version: string) => ({
  ...{ name, version, file: `/tools/${name}`, origin: 'path' as const },
})

async function folderOf(): Promise<{ setting: TerraformSetting; run: (own?: object) => Promise<number> }> {
  const folder = join(await temporaryFolder(), 'vms/web-1')
  await mkdir(folder, { recursive: true })
  await configured(folder, { local: {} })
  const setting = { tofu: tool('opentofu', '1.12.5'), provider: tool('proxmox-provider', '0.111.1'), folder }
  let calls = 0
  const init = async () => {
    calls++
    await mkdir(join(folder, '.terraform/modules'), { recursive: true })
    await writeFile(join(folder, '.terraform/modules/modules.json'), '{}')
    await writeFile(join(folder, '.terraform.lock.hcl'), 'provider')
  }
  const run = async (own: object = {}) => {
    calls = 0
    await initOnce({ ...setting, env: {}, ...own }, init)
    return calls
  }
  return { setting: { ...setting, env: {} }, run }
}

const configured = (folder: string, backend: object) =>
  writeFile(
    join(folder, 'main.tf.json'),
    JSON.stringify({ terraform: { backend }, module: { vm: { name: 'a' } } }),
  )

test('a folder is initialized once', async () => {
  const { run } = await folderOf()
  expect([await run(), await run(), await run()]).toEqual([1, 0, 0])
})

test.each<[string, (setting: TerraformSetting) => Promise<unknown>]>([
  ['another backend', ({ folder }) => configured(folder, { pg: {} })],
  ['another lock', ({ folder }) => writeFile(join(folder, '.terraform.lock.hcl'), 'other')],
  ['no modules', ({ folder }) => rm(join(folder, '.terraform/modules'), { recursive: true })],
  ['a newer provider', async () => ({ provider: tool('proxmox-provider', '0.112.0') })],
  ['a newer OpenTofu', async () => ({ tofu: tool('opentofu', '1.13.0') })],
])('and again after %s', async (_, change) => {
  const { setting, run } = await folderOf()
  await run()
  const own = ((await change(setting)) ?? {}) as object
  expect([await run(own), await run(own)]).toEqual([1, 0])
})

test('the settings of the VM alone are no reason', async () => {
  const { setting, run } = await folderOf()
  await run()
  const other = { terraform: { backend: { local: {} } }, module: { vm: { name: 'b' } } }
  await writeFile(join(setting.folder, 'main.tf.json'), JSON.stringify(other))
  expect(await run()).toBe(0)
})

test('a failed init is not remembered', async () => {
  const { setting, run } = await folderOf()
  await expect(initOnce(setting, async () => Promise.reject(new Error('no network')))).rejects.toThrow(
    'no network',
  )
  expect(await run()).toBe(1)
})
