import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A folder for one test. When the test ends, it is gone, and the marker that a registry in it has beside it. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-test-'))
  onTestFinished(async () => {
    await rm(folder, { recursive: true, force: true })
    await rm(`${folder}.last`, { force: true })
  })
  return folder
}
