/** Connections below TLS, for breaking them off as a router in between would. */

import type { Server } from 'node:https'
import type { Socket } from 'node:net'

/** The TCP connection that carries a TLS one, by the client's port, which both know. */
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

/** Ends a connection with a TCP reset; one that is no TCP connection just ends. */
export function reset(socket: Socket): void {
  const carrier = carriers.get(socket.remotePort ?? -1)
  if (carrier) carrier.resetAndDestroy()
  socket.destroy()
}
