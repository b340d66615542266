/** Many clients at once: no wrong answer, no growing memory, and the same state after a restart. */

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLab, type Lab } from '../../create.mts'
import { type Connection, end, LoadClient, liveOnce } from './load-client.mts'

const TEMPLATE = 100

let stateFolder: string
let lab: Lab

/** A process of its own, so that its memory is not the test's. */
const start = () => createLab({ guests: 'none', timeScale: 0, isolation: 'loopback', stateFolder })

async function tokenConnection(): Promise<Connection> {
  const { tokenEnv } = lab
  const headers = { authorization: tokenEnv['PROXMOX_API_TOKEN']! }
  return { url: lab.url, ca: await readFile(lab.caFile, 'utf8'), headers }
}

async function ticketConnection(): Promise<Connection> {
  const anonymous = { ...(await tokenConnection()), headers: {} }
  const client = new LoadClient(anonymous)
  const login = { username: 'root@pam', password: lab.rootPassword }
  const { ticket, CSRFPreventionToken } = await client.ok('POST', '/access/ticket', login)
  client.close()
  return { ...anonymous, headers: { cookie: `PVEAuthCookie=${ticket}`, CSRFPreventionToken } }
}

/** In bytes. */
async function residentMemory(): Promise<number> {
  const status = await readFile(`/proc/${lab.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024
}

const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`

/** Everything the API tells of VMs, tasks and volumes, without what only a running machine has. */
async function stateSeenBy(client: LoadClient) {
  const vms: { vmid: number }[] = await client.ok('GET', '/cluster/resources', { type: 'vm' })
  const configs = await Promise.all(
    vms.map(async ({ vmid }) => [vmid, await client.ok('GET', `/nodes/pve/qemu/${vmid}/config`)] as const),
  )
  return {
    configs: configs.toSorted(([a], [b]) => a - b),
    tasks: await client.ok('GET', '/nodes/pve/tasks', { limit: 1000 }),
    content: await client.ok('GET', '/nodes/pve/storage/tank/content'),
    acl: await client.ok('GET', '/access/acl'),
  }
}

interface Load {
  clients: number
  /** Of all of them together, at least. */
  requests: number
  /** Whether it takes long enough for memory to stop growing. */
  judgesMemory: boolean
}

/** Makes the test. */
export function testLoad(size: Load): void {
  beforeAll(async () => {
    stateFolder = await mkdtemp(join(tmpdir(), 'lab-load-'))
    lab = await start()
  })
  afterAll(async () => {
    await lab?.close()
    await rm(stateFolder, { recursive: true, force: true })
  })
  test(`${size.clients} clients at once, ${size.requests} requests`, () => load(size), 300_000)
}

async function load({ clients: count, requests: enough, judgesMemory }: Load): Promise<void> {
  const setUp = new LoadClient(await tokenConnection())
  const settings = { vmid: TEMPLATE, name: 'base', cores: 1, scsi0: 'tank:1', net0: 'virtio,bridge=vmbr0' }
  await setUp.done('POST', '/nodes/pve/qemu', settings)
  await setUp.done('POST', `/nodes/pve/qemu/${TEMPLATE}/template`)

  const clients = await Promise.all(
    Array.from(
      { length: count },
      async (_, index) => new LoadClient(await (index % 2 ? tokenConnection() : ticketConnection())),
    ),
  )
  const requests = () => clients.reduce((sum, client) => sum + client.requests, 0)
  const began = performance.now()
  // Garbage comes and goes: what counts is the most that was held, in the second third and in the last.
  const most = { warm: 0, end: 0 }
  const sampling = setInterval(async () => {
    const memory = await residentMemory()
    const done = requests() / enough
    if (done > 2 / 3) most.end = Math.max(most.end, memory)
    else if (done > 1 / 3) most.warm = Math.max(most.warm, memory)
  }, 50)
  const work = async (client: LoadClient, index: number) => {
    const vmid = 1000 + index
    for (let round = 1; ; round++) {
      await liveOnce(client, TEMPLATE, vmid, round)
      if (requests() >= enough) return
      await end(client, vmid)
    }
  }
  await Promise.all(clients.map(work))
  const seconds = (performance.now() - began) / 1000
  clearInterval(sampling)
  for (const client of clients) client.close()
  console.log(
    `${requests()} requests in ${seconds.toFixed(1)} s; ${mebibytes(most.warm)}, then ${mebibytes(most.end)}`,
  )
  expect(requests()).toBeGreaterThanOrEqual(enough)
  if (judgesMemory) expect(most.end / most.warm).toBeLessThan(1.2)

  const before = await stateSeenBy(setUp)
  expect(before.configs.map(([vmid]) => vmid)).toEqual([
    TEMPLATE,
    ...Array.from({ length: count }, (_, index) => 1000 + index),
  ])
  setUp.close()
  await lab.close()
  lab = await start()
  const after = new LoadClient(await tokenConnection())
  expect(await stateSeenBy(after)).toEqual(before)
  after.close()
}
