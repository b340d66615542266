import { LabError } from '../core/lab-error.mts'
import type { Image } from '../images/image.mts'
import { serveFiles } from './file-server.mts'
import { type LoopbackNetwork, SSH_PORTS } from './lab-network.mts'

/** Labs that can run on one machine at once. All ports stay below those that Linux gives out by itself. */
const LABS = 10
const FIRST_SERVER_PORT = 20_000
const FIRST_SSH_PORT = 21_000

/**
 * The machine's own 127.0.0.1 as a lab's network. The port of the file server, of which each lab takes one,
 * says which thousand ports its guests have: 20000 goes with 21000 to 21999, 20001 with 22000 to 22999, ...
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
