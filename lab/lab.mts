/** The handle of a running lab: what its owner can see and do. */

import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chainVariables, type LabChain } from './chain/lab-chain.mts'
import { loginVariables, type Secrets } from './identity.mts'
import type { InsideReady } from './inside.mts'
import { guestSshVariables, sshPortOf } from './network/lab-network.mts'
import { type Isolation, joiningCommand } from './network/namespace.mts'
import { type NodeKeys, type NodeSshAccess, sshVariables } from './node-ssh/keys.mts'
import type { Fault, FaultReport } from './pve/core/fault.mts'
import { checkFaults } from './pve/faults/read-faults.mts'
import type { Caller } from './rpc.mts'

export interface ExecOptions {
  cwd?: string
  /** Added to this process's environment and the login variables. */
  env?: NodeJS.ProcessEnv
  /** Text for standard input. */
  input?: string
}

export interface ExecResult {
  /** Exit code; null if a signal ended the program. */
  code: number | null
  stdout: string
  stderr: string
}

export interface Lab {
  /** `https://127.0.0.1:PORT/api2/json`, inside and outside of the lab's network. */
  url: string
  /** Path of the CA certificate that clients must trust. */
  caFile: string
  /** Environment variables that log in with the lab's API token. */
  tokenEnv: Record<string, string>
  rootPassword: string
  /** SSH access to the node as root, inside and outside. It reaches the lab's storages alone. */
  nodeSsh: NodeSshAccess
  /** Undefined if the lab has no chain. */
  chain: LabChain | undefined
  /** Base URL for the lab's node and `exec`: `SHA512SUMS` and `debian-12-genericcloud-amd64.qcow2` are below. */
  imagesUrl: string
  /** Process that holds the lab's namespaces, or the lab's own process if it has none. */
  pid: number
  isolation: Isolation
  /** First of the thousand SSH ports of a lab on loopback: see `sshPortOf`. */
  firstSshPort: number | undefined
  /**
   * Returns the port of a VM's SSH server on 127.0.0.1; the VM need not exist yet. Undefined with namespaces: there
   * each guest has an address and port 22.
   */
  sshPortOf(vmid: number): number | undefined
  /** Runs a program in the lab's network, which reaches the guests. Collects its output. */
  exec(argv: string[], options?: ExecOptions): Promise<ExecResult>
  /** Starts a program in the lab's network with streams of the caller's choice. */
  spawn(argv: string[], options?: SpawnOptions): ChildProcess
  /** Reads the output of a running guest on its serial console; undefined if the VM does not run. */
  console(vmid: number): Promise<string | undefined>
  faults: LabFaults
  /** Unix socket for other processes: `GET`, `PUT` and `DELETE /faults`. */
  controlSocket: string
  /** Resolves when no task runs. */
  settled(): Promise<void>
  /** Stops every guest and removes every VM. Users, storages and faults are as at the start. */
  reset(): Promise<void>
  /** Stops everything. Removes a temporary state folder. */
  close(): Promise<void>
  /** Settles when the lab ended, by `close` or by itself. */
  ended: Promise<void>
}

/** Faults that the lab injects. */
export interface LabFaults {
  /** Replaces all faults and starts counting again. @throws {LabUsageError} that names the first mistake. */
  set(faults: Fault[]): Promise<void>
  clear(): Promise<void>
  /** Lists the faults with their counts. */
  list(): Promise<FaultReport[]>
}

interface Parts {
  isolation: Isolation
  /** Process inside the lab's network. */
  child: ChildProcess
  call: Caller
  ready: InsideReady
  secrets: Secrets
  keys: NodeKeys
  chain: LabChain | undefined
  /** Runs when the child has ended. */
  cleanUp(): Promise<void>
}

const CLOSE_TIMEOUT_MS = 15_000

export function labOf({ isolation, child, call, ready, secrets, keys, chain, cleanUp }: Parts): Lab {
  const pid = child.pid!
  const { url, caFile, network, nodeSshPort } = ready
  const firstSshPort = network.kind === 'loopback' ? network.firstSshPort : undefined
  const tokenEnv = loginVariables({ url, caFile, ...ready.home }, secrets)
  const ended = once(child, 'exit').then(cleanUp)
  const variables = {
    ...tokenEnv,
    ...guestSshVariables(firstSshPort),
    ...sshVariables(keys.client.privateKey),
    ...chainVariables(chain?.configFile),
  }
  const start = (argv: string[], options: SpawnOptions = {}): ChildProcess => {
    const [file, ...args] = joiningCommand(isolation, pid, argv)
    return spawn(file!, args, { ...options, env: { ...variables, ...process.env, ...options.env } })
  }
  return {
    url,
    caFile,
    tokenEnv,
    rootPassword: secrets.rootPassword,
    nodeSsh: {
      host: '127.0.0.1',
      port: nodeSshPort,
      user: 'root',
      privateKeyFile: keys.clientKeyFile,
      hostKey: keys.host.publicKey,
    },
    chain,
    imagesUrl: network.imagesUrl,
    pid,
    isolation,
    firstSshPort,
    sshPortOf: vmid => (firstSshPort === undefined ? undefined : sshPortOf({ firstSshPort }, vmid)),
    exec: (argv, { input, ...options } = {}) => collect(start(argv, options), input),
    spawn: start,
    console: vmid => call('console', vmid),
    faults: {
      set: async faults => call('setFaults', checkFaults(faults)),
      clear: () => call('setFaults', []),
      list: () => call('faults'),
    },
    controlSocket: ready.controlSocket,
    settled: () => call('settled'),
    reset: () => call('reset'),
    close: () => closeLab(child, ended),
    ended,
  }
}

async function closeLab(child: ChildProcess, ended: Promise<void>): Promise<void> {
  const kill = setTimeout(() => child.kill('SIGKILL'), CLOSE_TIMEOUT_MS)
  if (child.connected) child.disconnect()
  await ended
  clearTimeout(kill)
}

function collect(child: ChildProcess, input: string | undefined): Promise<ExecResult> {
  return new Promise((resolve, reject) => {
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]!.setEncoding('utf8').on('data', chunk => {
        output[name] += chunk
      })
    }
    child.on('error', reject)
    child.on('close', code => resolve({ code, ...output }))
    child.stdin!.on('error', () => undefined)
    child.stdin!.end(input)
  })
}
