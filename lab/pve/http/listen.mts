/** The server's sockets, and what a client is told whose bytes are no request. */

import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { trackConnections } from './connections.mts'

export interface ListenOptions {
  /** PEM. */
  key: string
  cert: string
  listen: { host: string; port: number }
  /** A Unix socket that takes the same requests without TLS. */
  socketPath: string | undefined
  /** How long a connection may say nothing while a request is expected from it. */
  idleSeconds: number
}

export interface Listening {
  port: number
  close(): Promise<void>
}

/** Far more than Proxmox takes, so that what is too large is refused as Proxmox does; see `isTooLarge`. */
const PARSED_HEADER_BYTES = 64 * 1024

function listenOn(server: Server, where: { host: string; port: number } | { path: string }): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function stopListening(server: Server): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  server.closeAllConnections()
  return closed
}

type WireError = Error & { code?: string; rawPacket?: Buffer }

/** Status and reason for bytes that are no request of HTTP; undefined where Proxmox hangs up without a word. */
function refusalOf({ code = '', rawPacket }: WireError): [status: number, reason: string] | undefined {
  if (code === 'HPE_INVALID_HEADER_TOKEN') return [506, 'unable to parse request header']
  if (!code.startsWith('HPE_') || code === 'HPE_HEADER_OVERFLOW') return undefined
  const [, method] = /^(\S+) \S+ HTTP\/1\.\d\r?\n/.exec(rawPacket?.toString('latin1') ?? '') ?? []
  return code === 'HPE_INVALID_METHOD' && method !== undefined
    ? [501, `method '${method}' not available`]
    : [400, 'bad request']
}

function refuse(error: WireError, socket: Socket): void {
  const refusal = refusalOf(error)
  if (!refusal || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, reason] = refusal
  const headers = `Connection: close\r\nContent-Length: ${reason.length}\r\nServer: pve-api-daemon/3.0\r\n`
  socket.end(`HTTP/1.0 ${status} ${reason}\r\n${headers}\r\n${reason}`)
}

function prepare(server: Server, idleSeconds: number): Server {
  server.timeout = idleSeconds * 1000
  // An upload may take long as long as something comes.
  server.requestTimeout = 0
  server.on('clientError', refuse)
  return server
}

/** Listens for HTTPS, and on a Unix socket where one is wanted. */
export async function listenHttp(options: ListenOptions, answer: RequestListener): Promise<Listening> {
  const { key, cert, idleSeconds, socketPath } = options
  const limits = { maxHeaderSize: PARSED_HEADER_BYTES }
  const tls = { key, cert, minVersion: 'TLSv1.3', handshakeTimeout: idleSeconds * 1000 } as const
  const https = createHttpsServer({ ...limits, ...tls }, answer)
  prepare(https, idleSeconds)
  trackConnections(https)
  await listenOn(https, options.listen)
  const plain = socketPath === undefined ? undefined : prepare(createHttpServer(limits, answer), idleSeconds)
  if (plain) await listenOn(plain, { path: socketPath! })
  return {
    port: (https.address() as AddressInfo).port,
    close: async () => void (await Promise.all([https, ...(plain ? [plain] : [])].map(stopListening))),
  }
}
