import { readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Isolation } from './network/namespace.mts'
import type { NodeSshAccess } from './node-ssh/access.mts'

/** What `lab up` leaves in its state folder for the other subcommands while it runs. */
export interface LabRecord {
  url: string
  caFile: string
  /** Of the lab's chain; null where it has none. */
  rpcUrl: string | null
  /** What PROXMINT_WEB3 names there. */
  web3File: string | null
  /** Root's SSH on the node. */
  nodeSsh: NodeSshAccess
  tokenEnv: Record<string, string>
  /** Of the process to signal. */
  pid: number
  /** When that process was started, in clock ticks since boot: process ids are used again. */
  startTicks: string
  /** Of the process that holds the namespaces. */
  namespacePid: number
  isolation: Isolation
  /** Where another process sets faults; see `openControl`. */
  controlSocket: string
  /** For the lab's node and `lab exec`: `SHA512SUMS` and the cloud images are below. */
  imagesUrl: string
  /** The SSH port of VM N is this plus the last three digits of N; null with namespaces: port 22 of its address. */
  firstSshPort: number | null
}

export const DEFAULT_STATE_FOLDER = join('.proxmint', 'lab')

function recordPath(stateFolder: string): string {
  return join(resolve(stateFolder), 'lab.json')
}

/** Readable by its owner alone: it holds the API token. */
export async function writeRecord(stateFolder: string, record: LabRecord): Promise<void> {
  await writeFile(recordPath(stateFolder), `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 })
}

export async function removeRecord(stateFolder: string): Promise<void> {
  await rm(recordPath(stateFolder), { force: true })
}

/** The lab that runs on this state folder; undefined also where one was killed and left its record behind. */
export async function runningLab(stateFolder: string): Promise<LabRecord | undefined> {
  const text = await readFile(recordPath(stateFolder), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const record = JSON.parse(text) as LabRecord
  return (await startTicksOf(record.pid)) === record.startTicks ? record : undefined
}

/** Undefined when there is no such process. */
export async function startTicksOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // Field 22, counted behind the program's name, which may contain spaces and parentheses.
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19]
}
