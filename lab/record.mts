/** The file that lets other commands find a running lab. */

import { readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Isolation } from './network/namespace.mts'
import type { NodeSshAccess } from './node-ssh/keys.mts'

/** Content of `lab.json` in the state folder while a lab runs. */
export interface LabRecord {
  url: string
  caFile: string
  /** RPC server of the lab's chain; null without one. */
  rpcUrl: string | null
  /** Value of PROXMINT_WEB3 that selects this chain; null without one. */
  web3File: string | null
  /** SSH access to the node as root. */
  nodeSsh: NodeSshAccess
  tokenEnv: Record<string, string>
  /** Process that `down` signals. */
  pid: number
  /** Start of that process in clock ticks since boot. It tells the process from a later one with the same id. */
  startTicks: string
  /** Process that holds the namespaces. */
  namespacePid: number
  isolation: Isolation
  /** Unix socket for `/faults`; see `openControl`. */
  controlSocket: string
  /** Base URL of `SHA512SUMS` and the cloud images, for the lab's node and `lab exec`. */
  imagesUrl: string
  /** VM N has the SSH port `firstSshPort + N % 1000` on 127.0.0.1. Null with namespaces: port 22 of its address. */
  firstSshPort: number | null
}

export const DEFAULT_STATE_FOLDER = join('.proxmint', 'lab')

function recordPath(stateFolder: string): string {
  return join(resolve(stateFolder), 'lab.json')
}

/** Writes the record. Only its owner can read it, because it holds the API token. */
export async function writeRecord(stateFolder: string, record: LabRecord): Promise<void> {
  await writeFile(recordPath(stateFolder), `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 })
}

export async function removeRecord(stateFolder: string): Promise<void> {
  await rm(recordPath(stateFolder), { force: true })
}

/** Finds the lab that runs on a state folder. A record that a killed lab left counts as none. */
export async function runningLab(stateFolder: string): Promise<LabRecord | undefined> {
  const text = await readFile(recordPath(stateFolder), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const record = JSON.parse(text) as LabRecord
  return (await startTicksOf(record.pid)) === record.startTicks ? record : undefined
}

/** Reads the start of a process in clock ticks since boot; undefined if there is no such process. */
export async function startTicksOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // Field 22 of proc(5). Counting begins after the program's name, which may contain spaces and parentheses.
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19]
}
