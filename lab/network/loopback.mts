/** The network of a lab without namespaces: the machine's own 127.0.0.1. */

import { LabError } from '../core/lab-error.mts'
import type { Image } from '../images/image.mts'
import { serveFiles } from './file-server.mts'
import { type LoopbackNetwork, SSH_PORTS } from './lab-network.mts'

/** Number of labs that can run on one machine at once. All ports are below those that Linux assigns by itself. */
const LABS = 10
const FIRST_SERVER_PORT = 20_000
const FIRST_SSH_PORT = 21_000

/**
 * Serves files on the first free port from 20000 on. That port decides the SSH ports of the guests: 21000 to 21999 for
 * 20000, 22000 to 22999 for 20001, and so on.
 * @throws {LabError} if all ports are taken.
 */
export async function openLoopback(images: Image[]): Promise<LoopbackNetwork> {
  for (let lab = 0; lab < LABS; lab++) {
    const port = FIRST_SERVER_PORT + lab
    const served = await serveFiles(images, { host: '127.0.0.1', port }).catch(unlessTaken)
    if (served) return { kind: 'loopback', ...served, firstSshPort: FIRST_SSH_PORT + lab * SSH_PORTS }
  }
  throw new LabError(
    `the ports 127.0.0.1:${FIRST_SERVER_PORT} to ${FIRST_SERVER_PORT + LABS - 1} are all taken`,
    'each lab without namespaces needs one of them; stop another lab',
  )
}

function unlessTaken(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'EADDRINUSE') throw error
}
