import { setTimeout as sleep } from 'node:timers/promises'
import { interrupted, ProxmintError } from '../run/errors.mts'
import type { ProxmoxClient } from './client.mts'
import { listOf, objectOf, textOf } from './shape.mts'

interface WaitOptions {
  signal?: AbortSignal | undefined
  timeoutMs: number
  /** Receives the last line of the task's log at each look. */
  onLog?: ((line: string) => void) | undefined
}

interface TaskStatus {
  status: 'running' | 'stopped'
  exitstatus?: string
}

interface LogLine {
  n: number
  t: string
}

/**
 * Waits for the end of a task.
 * @param upid As a POST returned it; it contains the node.
 * @throws ProxmintError If the task failed, with the end of its log; if the time is over; if the signal aborted.
 */
export async function waitForTask(client: ProxmoxClient, upid: string, options: WaitOptions): Promise<void> {
  await textOf('the id of a task', Promise.resolve(upid))
  const deadline = performance.now() + options.timeoutMs
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 1.5, 2000)) {
    const task = await getTaskStatus(client, upid)
    if (task.status === 'stopped') return checkExit(client, upid, task.exitstatus ?? 'unknown')
    if (options.signal?.aborted) throw interrupted(taskType(upid))
    if (performance.now() > deadline) throw tooSlow(upid, options.timeoutMs)
    if (options.onLog !== undefined) options.onLog((await getTaskLog(client, upid)).at(-1) ?? '')
    await sleep(pauseMs)
  }
}

function tasksPath(upid: string): string {
  return `/nodes/${upid.split(':')[1]}/tasks/${encodeURIComponent(upid)}`
}

function taskType(upid: string): string {
  const [, , , , , type, id] = upid.split(':')
  return `task ${type}${id === '' ? '' : ` of ${id}`}`
}

function getTaskStatus(client: ProxmoxClient, upid: string): Promise<TaskStatus> {
  const asked = client.request<TaskStatus>('GET', `${tasksPath(upid)}/status`)
  return objectOf('GET the status of a task', asked, { status: 'string' })
}

async function getTaskLog(client: ProxmoxClient, upid: string): Promise<string[]> {
  const asked = client.request<LogLine[]>('GET', `${tasksPath(upid)}/log`, { limit: 500 })
  const lines = await listOf('GET the log of a task', asked, { t: 'string' })
  return lines.map(line => line.t).filter(line => line !== '')
}

async function checkExit(client: ProxmoxClient, upid: string, exit: string): Promise<void> {
  if (exit === 'OK' || exit.startsWith('WARNINGS')) return
  const log = await getTaskLog(client, upid)
  throw new ProxmintError(`${taskType(upid)} failed: ${exit}`, {
    facts: { log: log.slice(-5).join(' | '), upid },
    hint: `look at the whole log in Proxmox under Tasks of the node ${upid.split(':')[1]}, then run the command again`,
  })
}

function tooSlow(upid: string, timeoutMs: number): ProxmintError {
  return new ProxmintError(`${taskType(upid)} did not end within ${timeoutMs / 1000} s`, {
    facts: { upid },
    hint: 'it goes on in Proxmox; look at it under Tasks, and raise task_timeout_seconds if the storage is slow',
  })
}
