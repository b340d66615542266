/**
 * The node's SSH server: commands and SFTP, for root, on the lab's storages alone. No sshd: not every machine has
 * one, it would have to be told who root of the node is, and its SFTP follows links.
 */

import { createServer, type Server, type Socket } from 'node:net'
import ssh2, { type Connection, type Session } from 'ssh2'
import type { LabNetwork } from '../network/lab-network.mts'
import { LOGIN_SHELL, runCommand } from './command.mts'
import { type Confinement, confine } from './confinement.mts'
import { answerLogins, type Login } from './login.mts'
import { serveSftp } from './sftp.mts'

export interface NodeSshOptions {
  network: LabNetwork['kind']
  /** Absolute; must exist. What clients can reach. */
  storagesFolder: string
  /** Absolute; for what lives as long as the lab. */
  runFolder: string
  /** PEM. */
  hostKey: string
  login: Login
  /** All of them lead to the same server. Port 0 picks a free one. */
  listen: Endpoint[]
}

type Endpoint = { host: string; port: number } | { path: string }

export interface NodeSsh {
  /** Of each endpoint in turn; 0 for a Unix socket. */
  ports: number[]
  /** Ends what is connected, and what it runs. */
  close(): Promise<void>
}

/** Starts the server and resolves when it listens everywhere. */
export async function openNodeSsh(options: NodeSshOptions): Promise<NodeSsh> {
  const confinement = await confine(options.network, options)
  const open = new Set<Socket>()
  const ssh = new ssh2.Server({ hostKeys: [options.hostKey] }, client => serve(client, options, confinement))
  const servers = await Promise.all(
    options.listen.map(endpoint =>
      listenOn(endpoint, socket => {
        open.add(socket)
        socket.once('close', () => open.delete(socket))
        ssh.injectSocket(socket)
      }),
    ),
  )
  return {
    ports: servers.map(portOf),
    async close() {
      for (const socket of open) socket.destroy()
      await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
      await confinement.end()
    },
  }
}

function listenOn(endpoint: Endpoint, onConnection: (socket: Socket) => void): Promise<Server> {
  // A request of SFTP is small, and its answer waits for nothing.
  const server = createServer({ noDelay: true }, onConnection)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(endpoint, () => resolve(server))
  })
}

function portOf(server: Server): number {
  const address = server.address()
  return address === null || typeof address === 'string' ? 0 : address.port
}

function serve(
  client: Connection,
  { login, storagesFolder }: NodeSshOptions,
  confinement: Confinement,
): void {
  // Whatever a client sends that is no SSH ends its own connection and nothing else.
  client.on('error', () => undefined)
  answerLogins(client, login)
  client.on('session', accept => answerSession(accept(), storagesFolder, confinement))
}

/** Terminals, forwarding and environment variables are refused by having no listener. */
function answerSession(session: Session, storagesFolder: string, confinement: Confinement): void {
  session.on('exec', (accept, _reject, { command }) => runCommand(accept(), confinement, command))
  session.on('shell', accept => runCommand(accept(), confinement, LOGIN_SHELL))
  session.on('sftp', accept => serveSftp(accept(), storagesFolder))
}
