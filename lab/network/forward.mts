/** A forwarder of connections, which can join two network namespaces. */

import { connect, createServer, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { closeServer, type Endpoint, listenOn, portOf } from '../core/listen.mts'

export interface Forwarder {
  /** Port it listens on; 0 for a Unix socket. */
  port: number
  /** Stops listening and ends all connections. */
  close(): Promise<void>
}

/** Listens on `from` and passes each connection to `to`. A Unix socket works across network namespaces. */
export async function forward(from: Endpoint, to: Endpoint): Promise<Forwarder> {
  const open = new Set<Socket>()
  const track = (socket: Socket): Socket => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    return socket
  }
  // Send each piece at once: do not wait for more that fills a packet.
  const server = createServer({ noDelay: true }, client => {
    const target = track(connect({ ...to, noDelay: true }))
    // If one side breaks off, the other one ends. That is not a failure of the forwarder.
    pipeline(track(client), target, client, () => undefined)
  })
  await listenOn(server, from)
  return {
    port: portOf(server),
    close: () => {
      for (const socket of open) socket.destroy()
      return closeServer(server)
    },
  }
}
