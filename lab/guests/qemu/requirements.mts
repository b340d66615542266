/** Requirements of real machines. */

import { constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { isAccessible } from '../../core/files.mts'
import { LabError } from '../../core/lab-error.mts'
import type { Isolation } from '../../network/namespace.mts'

/** Programs that real machines and their image need, with the Debian packages that contain them. */
const PROGRAMS: Record<string, string> = {
  'qemu-system-x86_64': 'qemu-system-x86',
  'qemu-img': 'qemu-utils',
  genisoimage: 'genisoimage',
  dnsmasq: 'dnsmasq-base',
  mmdebstrap: 'mmdebstrap',
  mke2fs: 'e2fsprogs',
  mformat: 'mtools',
}

const TUN = '/dev/net/tun'

/** Checks whether this machine can run real machines. @throws {LabError} that names all missing packages. */
export async function requireMachines({ kind }: Isolation): Promise<void> {
  const missing = await missingPackages()
  if (missing.length > 0) {
    throw new LabError(
      `real machines need packages that are not installed: ${missing.join(', ')}`,
      `as root: apt-get install --no-install-recommends ${missing.join(' ')}`,
    )
  }
  if (!(await isAccessible(TUN, constants.R_OK | constants.W_OK))) {
    throw new LabError(
      `real machines need ${TUN} for their network cards, and it cannot be opened here`,
      'modprobe tun, or as root: chmod 666 /dev/net/tun; in a container: docker run --device /dev/net/tun',
    )
  }
  if (kind === 'loopback') {
    throw new LabError(
      'real machines need a network namespace with a bridge, which is not allowed here',
      'in a container, run it with CAP_SYS_ADMIN and CAP_NET_ADMIN (docker run --privileged); or use --guests sim',
    )
  }
}

/** Lists the Debian packages that are missing. */
export async function missingPackages(): Promise<string[]> {
  const found = await Promise.all(Object.keys(PROGRAMS).map(isInstalled))
  return Object.values(PROGRAMS).filter((_, index) => !found[index])
}

/** Looks in PATH and in the system folders, which may be missing in the PATH of a user who is not root. */
async function isInstalled(program: string): Promise<boolean> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const found = await Promise.all(folders.map(folder => isAccessible(join(folder, program), constants.X_OK)))
  return found.includes(true)
}
