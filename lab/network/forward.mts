import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { pipeline } from 'node:stream'

export type Endpoint = { host: string; port: number } | { path: string }

export interface Forwarder {
  /** The port it listens on; 0 for a Unix socket. */
  port: number
  /** Stops listening and ends what is connected. */
  close(): Promise<void>
}

/** Passes bytes between whoever connects to `from` and `to`. A Unix socket joins two network namespaces. */
export async function forward(from: Endpoint, to: Endpoint): Promise<Forwarder> {
  const open = new Set<Socket>()
  const track = (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    return socket
  }
  // What comes in goes on at once: neither side waits for more that could fill a packet.
  const server = createServer({ noDelay: true }, client => {
    const target = track(connect({ ...to, noDelay: true }))
    // A side that breaks off ends the other; neither is the forwarder's failure.
    pipeline(track(client), target, client, () => undefined)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(from, () => resolve())
  })
  const address = server.address() as AddressInfo | string
  return {
    port: typeof address === 'string' ? 0 : address.port,
    close: () => {
      for (const socket of open) socket.destroy()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
}
