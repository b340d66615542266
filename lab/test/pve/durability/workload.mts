/** Mixed requests of several clients at once, each with pools and VMs of its own, until the server dies. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Api } from './api.mts'
import type { Memory } from './memory.mts'

export const qemu = '/nodes/pve/qemu'
export const TEMPLATE = 100
const IDS_PER_WORKER = 6

export interface Workload {
  client: Api
  memory: Memory
  random: () => number
  /** Exit status of every task whose UPID came, as far as it was told. */
  tasks: Map<string, string | undefined>
}

const vmidsOf = (worker: number) =>
  Array.from({ length: IDS_PER_WORKER }, (_, index) => 1000 + worker * 100 + index)

const pick = <T,>(random: () => number, values: T[]): T => values[Math.floor(random() * values.length)]!

async function runTask({ client, tasks }: Workload, start: Promise<string>): Promise<string> {
  const upid = await start
  tasks.set(upid, undefined)
  for (;;) {
    const path = `/nodes/pve/tasks/${encodeURIComponent(upid)}/status`
    const { status, exitstatus } = await client.request<{ status: string; exitstatus?: string }>('GET', path)
    if (status === 'stopped') {
      tasks.set(upid, exitstatus)
      return exitstatus!
    }
    await sleep(10)
  }
}

async function togglePool({ client, memory, random }: Workload, worker: number) {
  const poolid = `pool-${worker}-${Math.floor(random() * 4)}`
  const thing = `pool ${poolid}`
  if (memory.get(thing) === 'no') {
    memory.begin(thing, 'yes')
    await client.request('POST', '/pools', { poolid })
    memory.settle(thing, 'yes')
  } else {
    memory.begin(thing, 'no')
    await client.request('DELETE', `/pools/${poolid}`)
    memory.settle(thing, 'no')
  }
}

async function makeVm(load: Workload, vmid: number) {
  const { client, memory, random } = load
  const isClone = random() < 0.6
  memory.begin(`vm ${vmid}`, isClone ? 'clone' : 'create', 'there')
  const full = random() < 0.5
  const started = isClone
    ? client.request<string>('POST', `${qemu}/${TEMPLATE}/clone`, { newid: vmid, full })
    : client.request<string>('POST', qemu, { vmid, scsi0: 'tank:1' })
  const exit = await runTask(load, started)
  if (exit !== 'OK') throw new Error(`VM ${vmid} could not be made: ${exit}`)
  memory.settle(`vm ${vmid}`, 'there')
}

async function describeVm({ client, memory, random }: Workload, vmid: number) {
  const description = `n${Math.floor(random() * 1e9)}`
  memory.begin(`vm ${vmid}`, description)
  await client.request('PUT', `${qemu}/${vmid}/config`, { description })
  memory.settle(`vm ${vmid}`, description)
}

async function deleteVm(load: Workload, vmid: number) {
  load.memory.begin(`vm ${vmid}`, 'no')
  const exit = await runTask(load, load.client.request<string>('DELETE', `${qemu}/${vmid}`))
  if (exit !== 'OK') throw new Error(`VM ${vmid} could not be deleted: ${exit}`)
  load.memory.settle(`vm ${vmid}`, 'no')
}

async function step(load: Workload, worker: number) {
  if (load.random() < 0.3) return togglePool(load, worker)
  const vmid = pick(load.random, vmidsOf(worker))
  const state = load.memory.get(`vm ${vmid}`)
  if (state === 'no') return makeVm(load, vmid)
  // What a dead worker left is locked, and stays.
  if (state === 'clone' || state === 'create') return
  return load.random() < 0.7 ? describeVm(load, vmid) : deleteVm(load, vmid)
}

/** Works until `isOver`. What fails afterwards is the death of the server; before, it is a failure. */
export async function work(load: Workload, worker: number, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    try {
      await step(load, worker)
    } catch (error) {
      if (isOver()) return
      throw error
    }
  }
}
