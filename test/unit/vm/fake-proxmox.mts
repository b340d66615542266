/** As much of Proxmox as suspending and destroying VMs asks for, in memory. */
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import { apiError } from '../../../scripts/lib/proxmox/errors.mts'
import type { Connection } from '../../../scripts/lib/site/connect.mts'
import { openSite } from '../../../scripts/lib/site/site.mts'

export interface FakeVm {
  node: string
  status: 'running' | 'stopped'
  config: Record<string, string | number>
  /** Names of its snapshots. */
  snapshots?: string[]
  /** The API token lacks VM.Audit on it. */
  hidden?: boolean
}

export interface FakeProxmox {
  vms: Map<number, FakeVm>
  connection: Connection
  /** `METHOD PATH` of every request that changes something. */
  changes: string[]
  /** `METHOD PATH` of every request that only asks. */
  questions: string[]
  /** Called before each request that changes something. */
  before: (change: string) => Promise<void>
}

export function fakeProxmox(vms: Record<number, FakeVm>): FakeProxmox {
  const fake: Omit<FakeProxmox, 'connection'> = {
    vms: new Map(),
    changes: [],
    questions: [],
    before: async () => {},
  }
  for (const [vmid, vm] of Object.entries(vms)) fake.vms.set(Number(vmid), vm)
  const request: ProxmoxClient['request'] = async (method, path, parameters) => {
    if (method === 'GET') fake.questions.push(`${method} ${path}`)
    else {
      await fake.before(`${method} ${path}`)
      fake.changes.push(`${method} ${path}`)
    }
    return answer(fake.vms, method, path, parameters ?? {}) as never
  }
  const client = {
    identity: 'proxmint@pve!t',
    url: 'https://pve:8006/api2/json',
    request,
    upload: () => Promise.reject(new Error('nothing is uploaded here')),
    time: async () => new Date(),
  }
  const ranges = { templateVmidRange: [9000, 9899], baseVmidRange: [9900, 9999] }
  const config = { ...ranges, site: 'test', taskTimeoutSeconds: 5, stateDir: '/nonexistent' }
  return Object.assign(fake, { connection: { site: openSite(), client, config } as unknown as Connection })
}

function answer(
  vms: Map<number, FakeVm>,
  method: string,
  path: string,
  parameters: Record<string, unknown>,
): unknown {
  if (path === '/cluster/resources') return resources(vms)
  const refuse = (status: number, reason: string) =>
    apiError({ method: 'GET', path, identity: 'proxmint@pve!t', status, reason, body: '' })
  if (path === '/cluster/nextid') {
    if (vms.has(Number(parameters['vmid']))) throw refuse(400, 'Parameter verification failed.')
    return parameters['vmid']
  }
  const [, ofNode] = /^\/nodes\/([^/]+)\/qemu$/.exec(path) ?? []
  if (ofNode !== undefined) return nodeList(vms, ofNode)
  if (path.includes('/tasks/')) return { status: 'stopped', exitstatus: 'OK' }
  const [, node, id, rest = ''] = /^\/nodes\/([^/]+)\/qemu\/(\d+)(?:\/(.*))?$/.exec(path) ?? []
  const vm = vms.get(Number(id))
  if (vm === undefined || vm.node !== node) {
    throw refuse(500, `Configuration file 'nodes/${node}/qemu-server/${id}.conf' does not exist`)
  }
  if (method === 'DELETE') vms.delete(Number(id))
  if (method === 'PUT') Object.assign(vm.config, parameters)
  if (rest === 'status/shutdown' || rest === 'status/stop') vm.status = 'stopped'
  if (rest === 'snapshot') return [...(vm.snapshots ?? []), 'current'].map(name => ({ name }))
  if (rest === 'status/current') return { status: vm.status, name: vm.config['name'] }
  if (method === 'GET') return vm.config
  return method === 'PUT' ? null : `UPID:${node}:0:0:0:work:${id}:proxmint@pve:`
}

/** A list that is behind: it has no name and no status of any VM. */
function resources(vms: Map<number, FakeVm>): object[] {
  return visible(vms).map(([vmid, { node, config }]) => ({
    type: 'qemu',
    vmid,
    node,
    status: 'unknown',
    tags: config['tags'],
  }))
}

function nodeList(vms: Map<number, FakeVm>, node: string): object[] {
  return visible(vms)
    .filter(([, vm]) => vm.node === node)
    .map(([vmid, { status, config }]) => {
      const { name, tags, template } = config
      return { vmid, status, name, tags, template }
    })
}

function visible(vms: Map<number, FakeVm>): [number, FakeVm][] {
  return [...vms].filter(([, vm]) => vm.hidden !== true)
}
