/** /nodes/{node}/tasks: lists, status and logs of tasks. */

import { parameterError } from '../core/errors.mts'
import { flag, integer, listOf, nodeName, optional, splitList, text, vmid } from '../core/parameters.mts'
import { anyone, type Caller, hasAll, requireAll } from '../core/permission.mts'
import type { Verifier } from '../core/property.mts'
import type { Pve } from '../core/pve.mts'
import { Answer, type ApiObject, type Route, route } from '../core/route.mts'
import type { TaskRecord } from '../core/state.mts'
import { isTokenId, ownerOf } from '../core/user-cfg.mts'
import { UNEXPECTED_STATUS } from './tasks.mts'

/** Checks ownership: a user owns the tasks of its tokens, a token only its own. */
function isOwn(caller: Caller, task: Pick<TaskRecord, 'authid'>): boolean {
  return task.authid === caller.authid || ownerOf(task.authid) === caller.authid
}

/** The parts of a UPID. */
type Identity = Pick<TaskRecord, 'upid' | 'pid' | 'pstart' | 'starttime' | 'type' | 'id' | 'authid'>

const UPID =
  /^UPID:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?:([0-9A-F]{8}):([0-9A-F]{8,9}):([0-9A-F]{8}):([^:\s/]+):([^:\s/]*):([^:\s/]+):$/i

/** @throws {ApiError} 400 for a text that is no UPID. */
function parseUpid(upid: string): Identity {
  const [, pid, pstart, starttime, type, id, authid] = UPID.exec(upid) ?? []
  if (authid === undefined) throw parameterError({ upid: 'unable to parse worker upid' })
  const number = (hex: string | undefined): number => Number.parseInt(hex!, 16)
  return {
    upid,
    pid: number(pid),
    pstart: number(pstart),
    starttime: number(starttime),
    type: type!,
    id: id!,
    authid,
  }
}

/** Reads the node of a task from its UPID. */
function nodeOf(task: Pick<TaskRecord, 'upid'>): string {
  return task.upid.split(':')[1]!
}

function mayAudit(caller: Caller, task: TaskRecord): boolean {
  return isOwn(caller, task) || hasAll(caller, `/nodes/${nodeOf(task)}`, 'Sys.Audit')
}

/** Lists the running tasks of a type and id that the caller may end: its own, or with Sys.Modify on the node all. */
export function abortableTasks(pve: Pve, caller: Caller, type: string, id: string): string[] {
  const all = hasAll(caller, `/nodes/${pve.node}`, 'Sys.Modify')
  return pve.store.state.tasks
    .filter(task => task.exitstatus === undefined && task.type === type && task.id === id)
    .filter(task => nodeOf(task) === pve.node && (all || isOwn(caller, task)))
    .map(task => task.upid)
}

function findTask(pve: Pve, upid: string): TaskRecord | undefined {
  const task = pve.tasks.find(upid)
  return task && nodeOf(task) === pve.node ? task : undefined
}

/** Checks the right to see or to end a task that a UPID names, even if there is none. */
function requireRight(pve: Pve, caller: Caller, task: Identity, privilege: 'Sys.Audit' | 'Sys.Modify'): void {
  if (!isOwn(caller, task)) requireAll(caller, `/nodes/${pve.node}`, privilege)
}

function requireTask(
  pve: Pve,
  caller: Caller,
  upid: string,
  privilege: 'Sys.Audit' | 'Sys.Modify',
): TaskRecord {
  const named = parseUpid(upid)
  const task = findTask(pve, upid)
  if (!task) throw parameterError({ upid: 'no such task' })
  requireRight(pve, caller, named, privilege)
  return task
}

/** Returns the lines of a task's log, in the words of Proxmox's log reader (`dump_logfile` in PVE/Tools.pm). */
function logOf(pve: Pve, caller: Caller, upid: string): string[] {
  requireRight(pve, caller, parseUpid(upid), 'Sys.Audit')
  const task = findTask(pve, upid)
  if (!task) return ['unable to open file - No such file or directory']
  return task.log.length > 0 ? task.log : ['no content']
}

function userOf({ authid }: Pick<TaskRecord, 'authid'>): ApiObject {
  return { user: ownerOf(authid), ...(isTokenId(authid) && { tokenid: authid.split('!')[1] }) }
}

function identityOf(task: TaskRecord): ApiObject {
  const { upid, pid, pstart, starttime, type, id } = task
  return { upid, node: nodeOf(task), pid, pstart, starttime, type, id, ...userOf(task) }
}

/** Number of tasks that each node tells the others of. */
const BROADCAST_TASKS = 25

/** Lists what the cluster knows of a node's tasks: those that run, and the newest others. */
export function broadcastTasks(pve: Pve, node: string): TaskRecord[] {
  const own = pve.store.state.tasks.filter(task => nodeOf(task) === node).reverse()
  const running = own.filter(task => task.exitstatus === undefined)
  const others = own.filter(task => task.exitstatus !== undefined)
  return [...running, ...others.slice(0, Math.max(0, BROADCAST_TASKS - running.length))]
}

/** Returns an entry of the cluster's list. The process of a task that has ended is not there. */
export function clusterTaskEntry(task: TaskRecord): ApiObject {
  const { upid, pid, starttime, endtime, exitstatus, type, id } = task
  const state = exitstatus === undefined ? { pid } : { endtime, status: exitstatus, saved: '1' }
  return { upid, node: nodeOf(task), starttime, type, id, ...userOf(task), ...state }
}

/** Returns an entry of a task list. Here the status of a finished task is its exit status. */
function taskEntry(task: TaskRecord): ApiObject {
  const { exitstatus: status, endtime } = task
  return { ...identityOf(task), ...(status === undefined ? { status: 'RUNNING' } : { status, endtime }) }
}

function statusOf(task: TaskRecord): ApiObject {
  return {
    ...identityOf(task),
    status: task.exitstatus === undefined ? 'running' : 'stopped',
    ...(task.exitstatus !== undefined && { exitstatus: task.exitstatus }),
  }
}

/** Returns the kind of an exit status for `statusfilter`. A worker that died has the kind `unknown`. */
function kindOfStatus(status: string | undefined): string {
  if (status === undefined) return 'unknown'
  if (status === 'OK') return 'ok'
  if (status.startsWith('WARNINGS')) return 'warning'
  return status === UNEXPECTED_STATUS ? 'unknown' : 'error'
}

const statusKind: Verifier = value =>
  /^(ok|error|warning|unknown)$/i.test(value) ? undefined : `invalid status '${value}'`

interface TaskFilter {
  source?: string
  errors?: boolean
  statusfilter?: string
  typefilter?: string
  userfilter?: string
  vmid?: number
  since?: number
  until?: number
}

function fits(task: TaskRecord, filter: TaskFilter): boolean {
  const { exitstatus } = task
  const kinds = filter.errors
    ? ['error', 'warning', 'unknown']
    : splitList(filter.statusfilter?.toLowerCase())
  const source = filter.source ?? 'archive'
  return (
    (source === 'all' || (source === 'active') === (exitstatus === undefined)) &&
    (kinds.length === 0 || kinds.includes(kindOfStatus(exitstatus))) &&
    (filter.typefilter === undefined || task.type === filter.typefilter) &&
    (!filter.userfilter || task.authid.toLowerCase().includes(filter.userfilter.toLowerCase())) &&
    (filter.vmid === undefined || task.id === String(filter.vmid)) &&
    (filter.since === undefined || task.starttime >= filter.since) &&
    (filter.until === undefined || task.starttime <= filter.until)
  )
}

/** Orders tasks: first those that run, then those that ended last. */
function byEnd(a: TaskRecord, b: TaskRecord): number {
  const endOf = ({ endtime = Number.POSITIVE_INFINITY }: TaskRecord): number => endtime
  return endOf(a) === endOf(b) ? b.starttime - a.starttime : endOf(b) - endOf(a)
}

export const nodeTaskRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/nodes/{node}/tasks',
    permission: anyone,
    parameters: {
      node: nodeName,
      errors: optional(flag),
      limit: optional({ ...integer, minimum: 0 }),
      start: optional({ ...integer, minimum: 0 }),
      since: optional(integer),
      until: optional(integer),
      source: optional({ type: 'string', enum: ['archive', 'active', 'all'] }),
      statusfilter: optional({ type: 'string', format: listOf(statusKind) }),
      typefilter: optional(text),
      userfilter: optional(text),
      vmid: optional(vmid),
    },
    handle({ pve, caller, params }) {
      const visible = pve.store.state.tasks.filter(
        task => nodeOf(task) === pve.node && mayAudit(caller, task) && fits(task, params),
      )
      const { start = 0, limit = 50 } = params
      const newestFirst = visible
        .reverse()
        .sort(byEnd)
        .slice(start, start + limit)
      return new Answer(newestFirst.map(taskEntry), visible.length === 0 ? {} : { total: visible.length })
    },
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/tasks/{upid}',
    permission: anyone,
    parameters: { node: nodeName, upid: text },
    handle: () => [{ name: 'log' }, { name: 'status' }],
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/tasks/{upid}/status',
    permission: anyone,
    parameters: { node: nodeName, upid: text },
    handle: ({ pve, caller, params }) => statusOf(requireTask(pve, caller, params.upid, 'Sys.Audit')),
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/tasks/{upid}/log',
    permission: anyone,
    parameters: {
      node: nodeName,
      upid: text,
      start: optional({ ...integer, minimum: 0 }),
      limit: optional({ ...integer, minimum: 0 }),
    },
    handle({ pve, caller, params }) {
      const { upid, start = 0, limit = 50 } = params
      const lines = logOf(pve, caller, upid).map((t, index) => ({ n: index + 1, t }))
      return new Answer(lines.slice(start, limit === 0 ? undefined : start + limit), { total: lines.length })
    },
  }),
  route({
    method: 'DELETE',
    path: '/nodes/{node}/tasks/{upid}',
    permission: anyone,
    parameters: { node: nodeName, upid: text },
    handle({ pve, caller, params }) {
      requireTask(pve, caller, params.upid, 'Sys.Modify')
      pve.tasks.abort(params.upid)
    },
  }),
]
