import { ProxmintError } from '../../run/errors.mts'

/** As ZFS, files, LVM and LVM-thin put it. */
const fullStorage = /out of space|no space left on device|insufficient free space|free space in thin pool/i

/** The error with what to do, where a full storage is behind it; otherwise as it is. */
export function explainFullStorage(error: unknown, storage: string): unknown {
  if (!(error instanceof ProxmintError) || !fullStorage.test(error.message)) return error
  const { message, facts, exitCode } = error
  const hint = `make room on the storage ${storage}, then run this again; nothing was kept`
  return new ProxmintError(message, { facts, exitCode, hint, cause: error })
}
