import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { makeCopiesFolder, writePackagedCopy } from '../packer/packaged-copy.mts'
import type { Build } from './records.mts'

/**
 * Does `work` with the folder that Packer runs in: that of the template or, for a Packer that cannot read today's
 * templates, a translated copy, which is removed afterwards.
 */
export async function withPackerFolder<T>(build: Build, work: (build: Build) => Promise<T>): Promise<T> {
  const { packer, connection, template, os } = build
  if (packer.dialect === 'modern') return work(build)
  const copy = join(makeCopiesFolder(connection.config.stateDir), os)
  const { folder, changes } = await writePackagedCopy(template, copy)
  try {
    return await work({ ...build, folder: resolve(folder), changes })
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}
