/** The server's sockets, and its answers to bytes that are not HTTP. */

import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import { type Address, closeServer, listenOn, portOf } from '../../core/listen.mts'
import { trackConnections } from './connections.mts'

interface ListenOptions {
  /** PEM text. */
  key: string
  /** PEM text. */
  cert: string
  listen: Address
  /** Unix socket for the same requests without TLS. */
  socketPath: string | undefined
  /** Time after which the server closes a connection that sends no request. */
  idleSeconds: number
}

interface Listening {
  port: number
  close(): Promise<void>
}

/** Much more than Proxmox accepts, so that `isTooLarge` in admission.mts decides and not Node.js. */
const PARSED_HEADER_BYTES = 64 * 1024

function stopListening(server: Server): Promise<void> {
  const closed = closeServer(server)
  server.closeAllConnections()
  return closed
}

type WireError = Error & { code?: string; rawPacket?: Buffer }

/** Returns status and reason for bytes that are not HTTP; undefined if Proxmox closes the connection silently. */
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
  // No limit for a whole request: an upload may take long. `timeout` limits pauses.
  server.requestTimeout = 0
  server.on('clientError', refuse)
  return server
}

/** Listens for HTTPS, and on a Unix socket if `socketPath` is given. */
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
    port: portOf(https),
    close: async () => void (await Promise.all([https, ...(plain ? [plain] : [])].map(stopListening))),
  }
}
