/**
 * The node's SSH server: commands and SFTP for root, on the lab's storages alone. It is not sshd: some machines have
 * none, sshd knows only the machine's own root, and its SFTP follows links.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { createServer, type Socket } from 'node:net'
import { constants } from 'node:os'
import type { Duplex } from 'node:stream'
import ssh2, {
  type AuthContext,
  type Connection,
  type PublicKeyAuthContext,
  type ServerChannel,
  type Session,
} from 'ssh2'
import { closeServer, type Endpoint, listenOn, portOf } from '../core/listen.mts'
import type { LabNetwork } from '../network/lab-network.mts'
import { type NodeCommand, serveCommands } from './commands.mts'
import { type Confinement, confine } from './confinement.mts'
import type { Mount } from './mounts.mts'
import { serveSftp } from './sftp.mts'

interface NodeSshOptions {
  network: LabNetwork['kind']
  /** Absolute path of an existing folder. Clients can reach only files below it. */
  storagesFolder: string
  /** Absolute path of a folder that lives as long as the lab. */
  runFolder: string
  /** PEM text. */
  hostKey: string
  login: Login
  /** Endpoints of the one server. */
  listen: Endpoint[]
  /** Reads the paths of the storages on the node. */
  mounts(): Mount[]
  /** Commands of the node, by name. */
  commands: Readonly<Record<string, NodeCommand>>
}

/** Credentials of root. */
interface Login {
  /** One line as in `authorized_keys`. */
  publicKey: string
  isPassword(text: string): boolean
}

export interface NodeSsh {
  /** Port of each endpoint in turn; 0 for a Unix socket. */
  ports: number[]
  /** Ends all connections and their commands. */
  close(): Promise<void>
}

/** Starts the server. Resolves when it listens on every endpoint. */
export async function openNodeSsh(options: NodeSshOptions): Promise<NodeSsh> {
  const confinement = await confine(options.network, options)
  const open = new Set<Socket>()
  const ssh = new ssh2.Server({ hostKeys: [options.hostKey] }, client => serve(client, options, confinement))
  const take = (socket: Socket): void => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    ssh.injectSocket(socket)
  }
  // noDelay: a request of SFTP is small, and its answer must not wait.
  const servers = options.listen.map(() => createServer({ noDelay: true }, take))
  await Promise.all(servers.map((server, index) => listenOn(server, options.listen[index]!)))
  return {
    ports: servers.map(portOf),
    async close() {
      for (const socket of open) socket.destroy()
      await Promise.all(servers.map(closeServer))
      await confinement.end()
    },
  }
}

function serve(client: Connection, options: NodeSshOptions, confinement: Confinement): void {
  // Bytes that are not SSH end the client's own connection and nothing else.
  client.on('error', () => undefined)
  answerLogins(client, options.login)
  client.on('session', accept => answerSession(accept(), options, confinement))
}

/** Answers requests of a session. ssh2 refuses those without a listener: terminals, forwarding, variables. */
function answerSession(session: Session, options: NodeSshOptions, confinement: Confinement): void {
  const { storagesFolder, mounts, commands } = options
  const run = (channel: ServerChannel, command: string): void =>
    runCommand(channel, confinement.argv(command), commands)
  session.on('exec', (accept, _reject, { command }) => run(accept(), command))
  session.on('shell', accept => run(accept(), LOGIN_SHELL))
  session.on('sftp', accept => serveSftp(accept(), storagesFolder, mounts()))
}

const METHODS: ('publickey' | 'password')[] = ['publickey', 'password']

/** Accepts root with the lab's client key or with the password of root@pam. */
function answerLogins(client: Connection, login: Login): void {
  const known = ssh2.utils.parseKey(login.publicKey)
  if (known instanceof Error) throw known
  client.on('authentication', context => {
    if (isAccepted(context, login, known)) context.accept()
    else context.reject(METHODS)
  })
}

function isAccepted(context: AuthContext, login: Login, known: ssh2.ParsedKey): boolean {
  if (context.username !== 'root') return false
  if (context.method === 'password') return login.isPassword(context.password)
  return context.method === 'publickey' && isSigned(context, known)
}

/** Checks the key and the signature. A client first asks without a signature; that alone does not log it in. */
function isSigned({ key, signature, blob, hashAlgo }: PublicKeyAuthContext, known: ssh2.ParsedKey): boolean {
  if (key.algo !== known.type || !key.data.equals(known.getPublicSSH())) return false
  return signature === undefined || known.verify(blob!, signature, hashAlgo) === true
}

/** Command of a login without one. There is no terminal, so bash reads its commands from standard input. */
const LOGIN_SHELL = 'exec /bin/bash'

/** Runs a confined command until it ends or the client leaves. */
function runCommand(
  channel: ServerChannel,
  [file, ...args]: string[],
  commands: NodeSshOptions['commands'],
): void {
  const child = spawn(file!, args, { detached: true, stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'] })
  const [, , , requests, answers] = child.stdio as unknown as Duplex[]
  serveCommands(requests!, answers!, commands)
  // A command may end before it has read all of its input. That is not a failure.
  child.stdin!.on('error', () => undefined)
  channel.pipe(child.stdin!)
  child.stdout!.pipe(channel, { end: false })
  child.stderr!.pipe(channel.stderr, { end: false })
  channel.on('error', () => undefined)
  channel.once('close', () => killGroup(child))
  child.once('error', error => {
    channel.stderr.write(`${error.message}\n`)
    finish(channel, 127)
  })
  child.once('close', (code, signal) => finish(channel, code ?? 128 + constants.signals[signal!]))
}

function finish(channel: ServerChannel, code: number): void {
  if (channel.destroyed) return
  channel.exit(code)
  channel.end()
}

/** Kills the command's process group. With namespaces, that ends all processes in them. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
