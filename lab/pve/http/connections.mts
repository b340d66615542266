/** Connections: the API worker of each, and the TCP connection below TLS, so that a fault can reset it as a router would. */

import type { Server } from 'node:https'
import type { Socket } from 'node:net'
import { API_WORKERS } from '../core/pve.mts'

/** TCP connections by the client's port, which is the key because the TLS connection has it, too. */
const carriers = new Map<number, Socket>()

export function trackConnections(server: Server): void {
  server.on('connection', (socket: Socket) => {
    const port = socket.remotePort
    if (port === undefined) return
    carriers.set(port, socket)
    socket.once('close', () => {
      if (carriers.get(port) === socket) carriers.delete(port)
    })
  })
}

/** Ends a connection with a TCP reset. A connection of a Unix socket just ends. */
export function reset(socket: Socket): void {
  const carrier = carriers.get(socket.remotePort ?? -1)
  if (carrier) carrier.resetAndDestroy()
  socket.destroy()
}

const workers = new WeakMap<Socket, number>()
let nextWorker = 0

/** Returns the API worker of a connection. Workers take new connections in turn, and keep them. */
export function workerOf(socket: Socket): number {
  const worker = workers.get(socket) ?? nextWorker++ % API_WORKERS
  workers.set(socket, worker)
  return worker
}
