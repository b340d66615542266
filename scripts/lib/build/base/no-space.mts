import { ProxmintError } from '../../run/errors.mts'

/** Messages of ZFS, files, LVM and LVM-thin. */
const FULL_STORAGE = /out of space|no space left on device|insufficient free space|free space in thin pool/i

/** Adds the remedy to an error that a full storage caused; returns any other error unchanged. */
export function explainFullStorage(error: unknown, storage: string): unknown {
  if (!(error instanceof ProxmintError) || !FULL_STORAGE.test(error.message)) return error
  const { message, facts, exitCode } = error
  const hint = `make room on the storage ${storage}, then run this again; nothing was kept`
  return new ProxmintError(message, { facts, exitCode, hint, cause: error })
}
