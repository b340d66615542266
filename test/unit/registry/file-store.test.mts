import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { describeStore } from './conformance.mts'

for (const compactAfter of [1000, 1]) {
  describeStore(`file, compacted after ${compactAfter}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'proxmint-registry-'))
    return {
      open: async () => openFileStore({ folder, purpose: 'test', compactAfter }),
      remove: () => rm(folder, { recursive: true, force: true }),
    }
  })
}
