/** Leaves `init` out where it would find what it found the last time. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../run/atomic-file.mts'
import { ifThere } from '../../run/if-there.mts'
import type { TerraformSetting } from '../../terraform/commands.mts'

const KEY_FILE = '.terraform/proxmint-init'
const MODULE_VERSIONS = '../../terraform/modules/vm/versions.tf'

/**
 * Calls `init` unless the folder was initialized before with the same programs, lock, backend and module.
 * @param setting of the folder.
 */
export async function initOnce(setting: TerraformSetting, init: () => Promise<unknown>): Promise<void> {
  const keyFile = join(setting.folder, KEY_FILE)
  const isReady = existsSync(join(setting.folder, '.terraform/modules/modules.json'))
  if (isReady && (await textOf(keyFile)) === (await keyOf(setting))) return
  await init()
  // `init` may have written the lock.
  await writeFileAtomic(keyFile, await keyOf(setting), 0o600)
}

/** What `init` depends on, as one hash: backends may have secrets. */
async function keyOf({ folder, tofu, provider }: TerraformSetting): Promise<string> {
  const configuration = JSON.parse((await textOf(join(folder, 'main.tf.json'))) || '{}')
  const parts = [
    ...[tofu.file, tofu.version, provider.file, provider.version],
    configuration.terraform,
    await textOf(join(folder, '.terraform.lock.hcl')),
    await textOf(join(folder, MODULE_VERSIONS)),
  ]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

async function textOf(file: string): Promise<string> {
  return (await ifThere(readFile(file, 'utf8'))) ?? ''
}
