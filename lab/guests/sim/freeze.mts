/** Halts the processes of a simulated guest, and lets them go on. */

import { readdir, readFile } from 'node:fs/promises'
import { signalProcess } from './process.mts'

/** Lists the processes of a guest. */
type ListProcesses = () => Promise<number[]>

/** Reads a file of a process; empty if the process is gone. */
function readOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}

async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`).catch(() => [])
  const lists = await Promise.all(tasks.map(task => readOf(`/proc/${pid}/task/${task}/children`)))
  return lists.flatMap(list => list.split(' ').filter(Boolean).map(Number))
}

async function withDescendants(pid: number): Promise<number[]> {
  const below = await Promise.all((await childrenOf(pid)).map(withDescendants))
  return [pid, ...below.flat()]
}

/** Reads the process group: the third field after the name, which may contain blanks. */
async function groupOf(pid: number): Promise<number> {
  const stat = await readOf(`/proc/${pid}/stat`)
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2])
}

/** Lists a guest in namespaces: its init and all below it. */
export function processesOf(init: number): ListProcesses {
  return () => withDescendants(init)
}

/** Lists a guest without namespaces. Its hardware is a script, whose own helpers share the script's process group. */
export function processesBelow(script: number): ListProcesses {
  return async () => {
    const children = await childrenOf(script)
    const groups = await Promise.all(children.map(groupOf))
    const guests = children.filter((_, index) => groups[index] !== script)
    return (await Promise.all(guests.map(withDescendants))).flat()
  }
}

/** Halts all processes, also those that appear meanwhile. */
export async function freeze(list: ListProcesses): Promise<void> {
  const halted = new Set<number>()
  for (;;) {
    const running = (await list()).filter(pid => !halted.has(pid))
    if (running.length === 0) return
    for (const pid of running) {
      signalProcess(pid, 'SIGSTOP')
      halted.add(pid)
    }
  }
}

export async function thaw(list: ListProcesses): Promise<void> {
  for (const pid of (await list()).reverse()) signalProcess(pid, 'SIGCONT')
}
