/** The lab's subcommands, one function each. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { chainVariables } from './chain/lab-chain.mts'
import { readCluster } from './cluster/check.mts'
import { askFaults } from './control.mts'
import { LabError } from './core/lab-error.mts'
import { createLab, type Lab, type LabOptions } from './create.mts'
import { guestSshVariables } from './network/lab-network.mts'
import { joiningCommand } from './network/namespace.mts'
import { sshVariables } from './node-ssh/keys.mts'
import type { FaultReport } from './pve/core/fault.mts'
import { readFaults } from './pve/faults/read-faults.mts'
import { type LabRecord, removeRecord, runningLab, startTicksOf, writeRecord } from './record.mts'

export interface UpOptions extends Omit<LabOptions, 'userCfg' | 'stateFolder' | 'cluster'> {
  stateFolder: string
  userCfgFile: string | undefined
  clusterFile: string | undefined
  faultFile: string | undefined
  /** Called once, when the lab can be used. */
  onReady(record: LabRecord): void
}

const DOWN_TIMEOUT_MS = 30_000

/**
 * Runs a lab until `signal` aborts.
 * @throws {LabError} if a lab runs on the state folder, or if this one ends by itself.
 */
export async function labUp(options: UpOptions, signal: AbortSignal): Promise<void> {
  const { stateFolder, userCfgFile, clusterFile, faultFile, onReady, ...rest } = options
  const other = await runningLab(stateFolder)
  if (other) {
    throw new LabError(
      `a lab runs on ${stateFolder} already: ${other.url}, process ${other.pid}`,
      'stop it with `pve-lab down`, or give this one its own --state DIR',
    )
  }
  const userCfg = userCfgFile === undefined ? undefined : await readUserCfg(userCfgFile)
  const faults = faultFile === undefined ? [] : await readFaults(faultFile)
  const cluster = clusterFile === undefined ? undefined : await readCluster(clusterFile)
  const lab = await createLab({ ...rest, userCfg, cluster, faults, stateFolder: resolve(stateFolder) })
  try {
    const record = await recordOf(lab)
    await writeRecord(stateFolder, record)
    if (!signal.aborted) onReady(record)
    await untilEnded(lab, signal)
  } finally {
    await lab.close()
    await removeRecord(stateFolder)
  }
}

async function readUserCfg(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(error => {
    throw new LabError(
      `${path} cannot be read: ${error.message}`,
      "--user-cfg takes a file in the format of Proxmox's /etc/pve/user.cfg",
      error,
    )
  })
}

async function recordOf(lab: Lab): Promise<LabRecord> {
  const {
    url,
    caFile,
    tokenEnv,
    controlSocket,
    isolation,
    pid: namespacePid,
    imagesUrl,
    firstSshPort = null,
  } = lab
  const startTicks = (await startTicksOf(process.pid))!
  return {
    url,
    caFile,
    rpcUrl: lab.chain?.rpcUrl ?? null,
    web3File: lab.chain?.configFile ?? null,
    nodeSsh: lab.nodeSsh,
    tokenEnv,
    pid: process.pid,
    startTicks,
    namespacePid,
    controlSocket,
    isolation,
    imagesUrl,
    firstSshPort,
  }
}

async function untilEnded(lab: Lab, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const aborted = once(signal, 'abort').then(() => true)
  const stopped = await Promise.race([aborted, lab.ended.then(() => false)])
  if (!stopped) throw new LabError('the lab ended by itself', 'see what it printed above; the state is kept')
}

/** Stops the lab of a state folder and waits for its end, at most 30 s. @throws {LabError} */
export async function labDown(stateFolder: string): Promise<LabRecord> {
  const record = await requireLab(stateFolder)
  process.kill(record.pid, 'SIGTERM')
  const deadline = Date.now() + DOWN_TIMEOUT_MS
  while (await runningLab(stateFolder)) {
    if (Date.now() > deadline) {
      throw new LabError(
        `process ${record.pid} did not end within 30 s`,
        `kill -9 ${record.pid} ends it at once`,
      )
    }
    await sleep(100)
  }
  return record
}

/**
 * Runs a command in the lab's network with the login variables. Variables of the caller's environment win.
 * @returns the command's exit code. @throws {LabError} if no lab runs.
 */
export async function labExec(stateFolder: string, command: string[], signal: AbortSignal): Promise<number> {
  const { isolation, namespacePid, tokenEnv, nodeSsh, firstSshPort, web3File } = await requireLab(stateFolder)
  const login = {
    ...tokenEnv,
    ...guestSshVariables(firstSshPort),
    ...sshVariables(await readFile(nodeSsh.privateKeyFile, 'utf8')),
    ...chainVariables(web3File),
  }
  const [file, ...args] = joiningCommand(isolation, namespacePid, command)
  const child = spawn(file!, args, { stdio: 'inherit', env: { ...login, ...process.env } })
  // The terminal sends Ctrl-C to the child, too. A signal to this process alone must be passed on.
  signal.addEventListener('abort', () => child.kill('SIGTERM'))
  const [code, ended] = await once(child, 'exit')
  return code ?? (ended === 'SIGINT' ? 130 : 1)
}

export type FaultAction = { action: 'set'; file: string } | { action: 'clear' | 'list' }

/** Changes or lists the faults of the lab on a state folder. @throws {LabUsageError} @throws {LabError} */
export async function labFault(stateFolder: string, action: FaultAction): Promise<FaultReport[]> {
  const { controlSocket } = await requireLab(stateFolder)
  if (action.action === 'set')
    return askFaults(controlSocket, 'PUT', JSON.stringify(await readFaults(action.file)))
  return askFaults(controlSocket, action.action === 'clear' ? 'DELETE' : 'GET')
}

/** Finds the lab that runs on a state folder. @throws {LabError} if none does. */
export async function requireLab(stateFolder: string): Promise<LabRecord> {
  const record = await runningLab(stateFolder)
  if (record) return record
  throw new LabError(`no lab runs on ${stateFolder}`, 'start one with `pve-lab up`')
}
