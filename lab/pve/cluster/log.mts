/** /cluster/log: what the workers of all nodes report. */

import { optional } from '../core/parameters.mts'
import { anyone, hasAll } from '../core/permission.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import type { TaskRecord } from '../core/state.mts'
import { isGood } from '../core/task.mts'

/** Number of entries of an answer, and of a node's memory of its log. */
const DEFAULT_MAX = 50
const INFO = 6
const ERROR = 3

interface LogEntry {
  task: TaskRecord
  time: number
  pri: number
  msg: string
}

/** A worker reports when it begins and when it ends. */
function entriesOfTask(task: TaskRecord): LogEntry[] {
  const { upid, starttime, endtime, exitstatus } = task
  const begun = { task, time: starttime, pri: INFO, msg: `starting task ${upid}` }
  if (endtime === undefined) return [begun]
  const failed = !isGood(exitstatus ?? '')
  return [begun, { task, time: endtime, pri: failed ? ERROR : INFO, msg: `end task ${upid} ${exitstatus}` }]
}

function shown({ task, time, pri, msg }: LogEntry, uid: number): ApiObject {
  const node = task.upid.split(':')[1]!
  return {
    uid,
    id: `${uid}:${node}`,
    node,
    user: task.authid,
    pid: task.pid,
    time,
    pri,
    tag: 'pvedaemon',
    msg,
  }
}

export const clusterLogRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/cluster/log',
    permission: anyone,
    parameters: { max: optional({ type: 'integer', minimum: 1 }) },
    handle({ pve, caller, params }) {
      const seesAll = hasAll(caller, '/', 'Sys.Syslog')
      return pve.store.state.tasks
        .flatMap(entriesOfTask)
        .sort((a, b) => a.time - b.time)
        .map((entry, index) => ({ entry, uid: index + 1 }))
        .filter(({ entry }) => seesAll || entry.task.authid === caller.authid)
        .reverse()
        .slice(0, params.max ?? DEFAULT_MAX)
        .map(({ entry, uid }) => shown(entry, uid))
    },
  }),
]
