/** What a trial is about to make, written down before it is made: a killed trial is cleaned up by it. */
import { readFile, rename, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { ifThere } from '../run/if-there.mts'
import { requireUnlocked } from '../run/lock.mts'
import { privateFolder } from '../run/private-folder.mts'
import { processCommand } from '../run/process.mts'
import type { TrialPlan } from './plan.mts'

/** A trial that began and is not cleaned up yet. */
export interface TrialRecord {
  version: 1
  plan: TrialPlan
  /** URL of the Proxmox that it was made in. */
  proxmox: string
  /** ISO 8601. */
  began: string
  /** Process of the trial. */
  pid: number
  host: string
  /** Command that runs now, as a process of its own group; it may live longer than the trial. */
  command?: { pid: number; script: string } | undefined
  /** Written before the resource pool is made. Left out: none was made, so that one of this name is somebody's. */
  pool?: 'ours' | undefined
}

const FOLDER = 'trial'
const FILE = 'record.json'

/** Folder of the trial in the state folder of the user's project. */
export function trialFolder(stateDir: string): string {
  return join(stateDir, FOLDER)
}

/** Reads the record; undefined if there is none. @throws ProxmintError If it is damaged. */
export async function readRecord(stateDir: string): Promise<TrialRecord | undefined> {
  const file = join(trialFolder(stateDir), FILE)
  const text = await ifThere(readFile(file, 'utf8'))
  return text === undefined ? undefined : parsed(text, file)
}

/**
 * Checks that the trial does not run any more. The name of a machine may change, and then its processes tell nothing: a
 * trial of another name runs as long as it renews its lock.
 * @throws ProxmintError (locked) while it runs.
 */
export async function requireEnded(record: TrialRecord, stateDir: string): Promise<void> {
  const { began, pid, host } = record
  if (host !== hostname()) return requireUnlocked({ path: trialFolder(stateDir), purpose: 'trial' })
  if (pid === process.pid || (await processCommand(pid))?.includes('trial.mts') !== true) return
  throw new ProxmintError('a trial is running', {
    facts: { began, process: `${pid} on ${host}` },
    hint: 'wait for it to end, or end it there with Ctrl-C',
    exitCode: exitCodes.locked,
  })
}

/** @throws ProxmintError (invalid) if the record is of another Proxmox: there nothing of the trial would be found. */
export function requireProxmoxOf(record: TrialRecord, stateDir: string, url: string): void {
  if (new URL(record.proxmox).host === new URL(url).host) return
  throw new ProxmintError('the trial was made in another Proxmox than that of the credentials', {
    facts: { trial: record.proxmox, credentials: url },
    hint: `give the credentials of the trial, then run it again. If both are one cluster, write ${url} as "proxmox" into ${join(trialFolder(stateDir), FILE)}`,
    exitCode: exitCodes.invalid,
  })
}

function parsed(text: string, file: string): TrialRecord {
  try {
    const record = JSON.parse(text) as Partial<TrialRecord> | null
    if (record?.version === 1 && /^[0-9a-f]{6}$/.test(record.plan?.id ?? '')) return record as TrialRecord
  } catch {
    // Damaged, as any other text.
  }
  throw new ProxmintError(`${file} is not the record of a trial`, {
    hint: 'a trial tags its VMs proxmint-trial-ID: look for them in Proxmox, then delete the folder of the file',
  })
}

/** Begins the record of a trial. From now on `trial --clean` knows of it. */
export async function beginRecord(stateDir: string, plan: TrialPlan, proxmox: string): Promise<TrialRecord> {
  const began = new Date().toISOString()
  return writeRecord(stateDir, { version: 1, plan, proxmox, began, pid: process.pid, host: hostname() })
}

/** Writes the record as it is now. */
export async function writeRecord(stateDir: string, record: TrialRecord): Promise<TrialRecord> {
  const folder = privateFolder(stateDir, FOLDER)
  await writeFileAtomic(join(folder, FILE), `${JSON.stringify(record, null, 2)}\n`, 0o600)
  return record
}

/** Moves the logs of a trial that failed out of its folder. @returns Their folder; undefined if there are none. */
export async function keepLogs(stateDir: string): Promise<string | undefined> {
  const kept = logsFolder(stateDir)
  const logs = join(trialFolder(stateDir), 'project', '.proxmint', 'logs')
  return ifThere(rename(logs, kept).then(() => kept))
}

/** Removes the logs of the last trial that failed. */
export async function dropLogs(stateDir: string): Promise<void> {
  await rm(logsFolder(stateDir), { recursive: true, force: true })
}

function logsFolder(stateDir: string): string {
  return join(stateDir, 'trial-logs')
}

/** Removes the trial's folder, the record last: a run that is killed meanwhile is cleaned up again. */
export async function dropRecord(stateDir: string): Promise<void> {
  const folder = trialFolder(stateDir)
  for (const name of ['project', 'home']) await rm(join(folder, name), { recursive: true, force: true })
  await rm(folder, { recursive: true, force: true })
}
