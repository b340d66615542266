/** How full a storage is: as full as the file system it lies on. */

import { statfs } from 'node:fs/promises'
import type { StorageConfig } from '../state.mts'

/** In bytes. */
export interface Space {
  total: number
  used: number
  avail: number
}

export async function spaceOf(storage: StorageConfig): Promise<Space> {
  const { bsize, blocks, bavail } = await statfs(storage.path)
  const total = bsize * blocks
  const avail = bsize * bavail
  return { total, avail, used: total - avail }
}
