/** Checks a file that has arrived: it must be what its content type and its name say (PVE/API2/Storage/Status.pm). */

import { run } from '../../core/process.mts'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import { requireTrustable } from './image-file.mts'

/** @throws {ApiError} for a file that is no tar archive with an OVF description. */
async function requireOva(path: string, shown: string): Promise<void> {
  const names = await run('tar', ['-t', '-f', path]).catch(() => {
    throw failure(`command 'tar -t -f ${shown}' failed: exit code 2`)
  })
  if (!/\.ovf$/m.test(names)) throw failure('ova archive has no .ovf file inside')
}

/**
 * Checks the content of a file. Templates of containers are not checked.
 * @param shown path for the errors. @throws {ApiError}
 */
export async function requireContent(
  pve: Pve,
  { content, name }: { content: string; name: string },
  path: string,
  shown: string,
): Promise<void> {
  if (content === 'vztmpl') return
  const format = content === 'import' ? name.slice(name.lastIndexOf('.') + 1) : undefined
  if (format === 'ova') await requireOva(path, shown)
  else await requireTrustable(pve, path, format, shown)
}
