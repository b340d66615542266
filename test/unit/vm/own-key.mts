/** A person with an SSH key, who may make VMs that a key opens. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { vi } from 'vitest'
import { temporaryFolder } from '../temporary.mts'

/** Makes a folder with a public key the home folder of the test, until `vi.unstubAllEnvs`. */
export async function haveOwnKey(): Promise<void> {
  const home = await temporaryFolder()
  await mkdir(join(home, '.ssh'))
  await writeFile(join(home, '.ssh/id_ed25519.pub'), 'ssh-ed25519 AAAA me@laptop\n')
  vi.stubEnv('HOME', home)
}
