/** /nodes/{node}/tasks: lists, status and logs of tasks. */

import { parameterError } from '../core/errors.mts'
import { flag, integer, nodeName, optional, text, vmid } from '../core/parameters.mts'
import { anyone, type Caller, hasAll, requireAll } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { Answer, type ApiObject, type Route, route } from '../core/route.mts'
import type { TaskRecord } from '../core/state.mts'
import { isTokenId, ownerOf } from '../core/user-cfg.mts'
import { UNEXPECTED_STATUS } from './tasks.mts'

/** Checks ownership: a user owns the tasks of its tokens, a token only its own. */
function isOwn(caller: Caller, task: TaskRecord): boolean {
  return task.authid === caller.authid || ownerOf(task.authid) === caller.authid
}

function isUpid(text: string): boolean {
  return /^UPID:[a-zA-Z0-9-]+:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:[^:\s/]+:[^:\s/]*:[^:\s/]+:$/i.test(text)
}

/** Reads the node of a task from its UPID. */
function nodeOf(task: TaskRecord): string {
  return task.upid.split(':')[1]!
}

export function mayAudit(caller: Caller, task: TaskRecord): boolean {
  return isOwn(caller, task) || hasAll(caller, `/nodes/${nodeOf(task)}`, 'Sys.Audit')
}

function requireTask(
  pve: Pve,
  caller: Caller,
  upid: string,
  privilege: 'Sys.Audit' | 'Sys.Modify',
): TaskRecord {
  const task = pve.tasks.find(upid)
  if (!task && !isUpid(upid)) throw parameterError({ upid: 'unable to parse worker upid' })
  if (!task || nodeOf(task) !== pve.node) throw parameterError({ upid: 'no such task' })
  if (!isOwn(caller, task)) requireAll(caller, `/nodes/${pve.node}`, privilege)
  return task
}

function identityOf(task: TaskRecord): ApiObject {
  return {
    upid: task.upid,
    node: nodeOf(task),
    pid: task.pid,
    pstart: task.pstart,
    starttime: task.starttime,
    type: task.type,
    id: task.id,
    user: ownerOf(task.authid),
    ...(isTokenId(task.authid) && { tokenid: task.authid.split('!')[1] }),
  }
}

/** Returns an entry of a task list. Here the status of a finished task is its exit status. */
export function taskEntry(task: TaskRecord): ApiObject {
  return {
    ...identityOf(task),
    ...(task.exitstatus !== undefined && { status: task.exitstatus, endtime: task.endtime }),
  }
}

function statusOf(task: TaskRecord): ApiObject {
  return {
    ...identityOf(task),
    status: task.exitstatus === undefined ? 'running' : 'stopped',
    ...(task.exitstatus !== undefined && { exitstatus: task.exitstatus }),
  }
}

/** Returns the kind of an exit status for `statusfilter`. A worker that died has the kind `unknown`. */
function kindOfStatus(status: string): string {
  if (status === 'OK') return 'ok'
  if (status.startsWith('WARNINGS')) return 'warning'
  return status === UNEXPECTED_STATUS ? 'unknown' : 'error'
}

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
    : (filter.statusfilter?.split(/[,;\s]+/) ?? [])
  const source = filter.source ?? 'archive'
  return (
    (source === 'all' || (source === 'active') === (exitstatus === undefined)) &&
    (kinds.length === 0 || (exitstatus !== undefined && kinds.includes(kindOfStatus(exitstatus)))) &&
    (filter.typefilter === undefined || task.type === filter.typefilter) &&
    (filter.userfilter === undefined || task.authid.includes(filter.userfilter)) &&
    (filter.vmid === undefined || task.id === String(filter.vmid)) &&
    (filter.since === undefined || task.starttime >= filter.since) &&
    (filter.until === undefined || task.starttime <= filter.until)
  )
}

/** Returns a page of a list with the total number of entries. @param limit 0: no limit. */
function page<T>(all: T[], start: number, limit: number): Answer {
  const end = limit === 0 ? undefined : start + limit
  return new Answer(all.slice(start, end), { total: all.length })
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
      statusfilter: optional(text),
      typefilter: optional(text),
      userfilter: optional(text),
      vmid: optional(vmid),
    },
    handle({ pve, caller, params }) {
      const visible = pve.store.state.tasks.filter(
        task => nodeOf(task) === pve.node && mayAudit(caller, task) && fits(task, params),
      )
      const newestFirst = visible.map(taskEntry).reverse()
      return page(newestFirst, params.start ?? 0, params.limit ?? 50)
    },
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
      const { log } = requireTask(pve, caller, params.upid, 'Sys.Audit')
      // An empty log has one line, as from Proxmox's log reader (`dump_logfile` in PVE/Tools.pm).
      const lines = log.length > 0 ? log : ['no content']
      return page(
        lines.map((t, index) => ({ n: index + 1, t })),
        params.start ?? 0,
        params.limit ?? 50,
      )
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
