/** Servers of the lab: where they listen, and how they stop. */

import type { Server } from 'node:net'
import { LabError } from './lab-error.mts'

export interface Address {
  host: string
  /** 0: a free port. */
  port: number
}

/** Address of TCP, or path of a Unix socket. */
export type Endpoint = Address | { path: string }

/** Lets a server listen. @throws {Error} of listen(2), such as EADDRINUSE. */
export function listenOn(server: Server, endpoint: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(endpoint, () => resolve())
  })
}

/** Returns the port a server listens on; 0 for a Unix socket. */
export function portOf(server: Server): number {
  const address = server.address()
  return address === null || typeof address === 'string' ? 0 : address.port
}

/** Stops listening. Resolves when the last connection has ended. */
export function closeServer(server: Server): Promise<void> {
  return new Promise(resolve => server.close(() => resolve()))
}

/** Explains a failed `listen` call. */
export function cannotListen({ host, port }: Address, error: Error): LabError {
  return new LabError(
    `the lab cannot listen on ${host}:${port}: ${error.message}`,
    'choose another address, or port 0 for a free one',
    error,
  )
}
