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
  /** Its guest powers off only by force. */
  stubborn?: boolean
  /** High availability manages it. */
  managed?: boolean
  /** Options whose new values wait for its next start. */
  pending?: { key: string; value?: string; pending?: string; delete?: number }[]
  /** The API token lacks VM.Audit on it. */
  hidden?: boolean
}

export interface FakeBackup {
  volid: string
  notes: string
  /** Seconds since 1970. */
  ctime: number
  protected?: number
  /** The VM that it holds. */
  vm?: FakeVm
}

export interface FakeProxmox {
  vms: Map<number, FakeVm>
  /** Backups on the storage `local`. */
  backups: FakeBackup[]
  /** Exit status of backups. */
  backupExit: string
  connection: Connection
  /** `METHOD PATH` of every request that changes something. */
  changes: string[]
  /** `METHOD PATH` of every request that only asks. */
  questions: string[]
  /** Node of each file on a storage, by the id of the volume. */
  volumes: Map<string, string>
  /** Called before each request that changes something. */
  before: (change: string) => Promise<void>
}

export function fakeProxmox(vms: Record<number, FakeVm>): FakeProxmox {
  const fake: Omit<FakeProxmox, 'connection'> = {
    vms: new Map(),
    backups: [],
    backupExit: 'OK',
    changes: [],
    questions: [],
    volumes: new Map(),
    before: async () => {},
  }
  for (const [vmid, vm] of Object.entries(vms)) fake.vms.set(Number(vmid), vm)
  const request: ProxmoxClient['request'] = async (method, path, parameters) => {
    if (method === 'GET') fake.questions.push(`${method} ${path}`)
    else {
      await fake.before(`${method} ${path}`)
      fake.changes.push(`${method} ${path}`)
    }
    return (backupAnswer(fake, method, path, parameters ?? {}) ??
      storageAnswer(fake, method, path) ??
      answer(fake.vms, method, path, parameters ?? {})) as never
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
  const credentials = { node: 'pve' }
  return Object.assign(fake, {
    connection: { site: openSite(), client, config, credentials } as unknown as Connection,
  })
}

/** Nodes and files; undefined for what is about VMs. */
function storageAnswer({ volumes }: Pick<FakeProxmox, 'volumes'>, method: string, path: string): unknown {
  const [, node, storage, volid] = /^\/nodes\/([^/]+)\/storage\/([^/]+)\/content(?:\/(.+))?$/.exec(path) ?? []
  if (node === undefined) return undefined
  if (method === 'DELETE') {
    volumes.delete(decodeURIComponent(volid!))
    return `UPID:${node}:0:0:0:imgdel:x:y:`
  }
  return volumesOn(volumes, node, storage!)
}

function volumesOn(volumes: Map<string, string>, node: string, storage: string): { volid: string }[] {
  return [...volumes]
    .filter(([one, on]) => on === node && one.startsWith(`${storage}:`))
    .map(([one]) => ({ volid: one }))
}

function answer(
  vms: Map<number, FakeVm>,
  method: string,
  path: string,
  parameters: Record<string, unknown>,
): unknown {
  if (path === '/cluster/resources' && parameters['type'] === 'node')
    return [{ node: 'pve', status: 'online' }]
  if (path === '/cluster/resources') return resources(vms)
  const refuse = (status: number, reason: string) =>
    apiError({ method: 'GET', path, identity: 'proxmint@pve!t', status, reason, body: '' })
  if (path === '/cluster/nextid') {
    if (vms.has(Number(parameters['vmid']))) throw refuse(400, 'Parameter verification failed.')
    return parameters['vmid']
  }
  const [, ofNode] = /^\/nodes\/([^/]+)\/qemu$/.exec(path) ?? []
  if (ofNode !== undefined) return nodeList(vms, ofNode)
  if (path.includes('/tasks/')) return taskAnswer(path)
  const [, node, id, rest = ''] = /^\/nodes\/([^/]+)\/qemu\/(\d+)(?:\/(.*))?$/.exec(path) ?? []
  const vm = vms.get(Number(id))
  if (vm === undefined || vm.node !== node) {
    throw refuse(500, `Configuration file 'nodes/${node}/qemu-server/${id}.conf' does not exist`)
  }
  if (method === 'DELETE') vms.delete(Number(id))
  if (method === 'PUT') Object.assign(vm.config, parameters)
  const isRefused =
    vm.stubborn === true && /^status\/(shutdown|reboot)$/.test(rest) && parameters['forceStop'] !== 1
  if (rest === 'status/shutdown' || rest === 'status/stop') vm.status = isRefused ? 'running' : 'stopped'
  if (rest === 'status/start') vm.status = 'running'
  if (rest === 'pending') return vm.pending ?? []
  if (rest === 'snapshot') return [...(vm.snapshots ?? []), 'current'].map(name => ({ name }))
  if (rest === 'status/current')
    return { status: vm.status, name: vm.config['name'], ha: { managed: vm.managed ? 1 : 0 } }
  if (method === 'GET') return vm.config
  return method === 'PUT' ? null : `UPID:${node}:0:0:0:${isRefused ? 'refused' : 'work'}:${id}:proxmint@pve:`
}

/** Backups, and VMs that are made of them; undefined for another request. */
function backupAnswer(
  fake: Omit<FakeProxmox, 'connection'>,
  method: string,
  path: string,
  parameters: Record<string, unknown>,
): unknown {
  const upid = (type: string) => `UPID:pve:0:0:0:${type}:100:proxmint@pve:`
  if (path === '/nodes') return [{ node: 'pve' }]
  if (path.includes('/tasks/') && path.includes('vzdump') && !path.endsWith('/log'))
    return { status: 'stopped', exitstatus: fake.backupExit }
  if (path === '/nodes/pve/vzdump') {
    const vmid = Number(parameters['vmid'])
    const vm = structuredClone(fake.vms.get(vmid)!)
    const volid = `local:backup/vzdump-qemu-${vmid}-${fake.backups.length}.vma.zst`
    const made = {
      volid,
      notes: String(parameters['notes-template']),
      ctime: Date.now() / 1000,
      protected: 1,
      vm,
    }
    if (fake.backupExit === 'OK') fake.backups.push(made)
    return upid('vzdump')
  }
  const volid = String(parameters['volume'] ?? decodeURIComponent(path.split('/content/')[1] ?? ''))
  const backup = fake.backups.find(one => one.volid === volid)
  if (path === '/nodes/pve/vzdump/extractconfig') {
    return Object.entries(backup!.vm!.config)
      .map(([key, value]) => (key === 'description' ? `#${value}` : `${key}: ${value}`))
      .join('\n')
  }
  if (path === '/nodes/pve/storage/local/content')
    return [...fake.backups, ...volumesOn(fake.volumes, 'pve', 'local')]
  if (method === 'PUT' && backup !== undefined) {
    backup.protected = Number(parameters['protected'])
    return {}
  }
  if (method === 'DELETE' && backup !== undefined) {
    if (backup.protected === 1) throw new Error('it is protected')
    fake.backups = fake.backups.filter(one => one !== backup)
    return upid('imgdel')
  }
  if (method !== 'POST' || path !== '/nodes/pve/qemu') return undefined
  const { vm } = fake.backups.find(one => one.volid === parameters['archive'])!
  const config = { ...vm!.config, onboot: Number(parameters['onboot']) }
  fake.vms.set(Number(parameters['vmid']), { node: 'pve', status: 'stopped', config })
  return upid('qmrestore')
}

function taskAnswer(path: string): unknown {
  if (path.endsWith('/log')) return []
  const exitstatus = path.includes('refused') ? 'VM quit/powerdown failed - got timeout' : 'OK'
  return { status: 'stopped', exitstatus }
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
