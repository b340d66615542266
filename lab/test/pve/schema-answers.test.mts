/** What each of the lab's operations answers, against Proxmox's own API schema. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Ajv } from 'ajv'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GuestDriver } from '../../guests/driver.mts'
import { createNoneDriver } from '../../guests/none.mts'
import { type ApiSchema, type ApiType, operationOf } from '../../pve/api-coverage/schema.mts'
import { routes } from '../../pve/routes.mts'
import { findApiSchema } from './api-schema.mts'
import { type Headers, type Reply, ROOT_PASSWORD, startLab, type TestLab } from './client.mts'
import { CLUSTER_READS, CLUSTER_USUAL, CLUSTER_WRITES } from './schema-cluster.mts'
import { type Step, step } from './schema-step.mts'

const schema = await findApiSchema()

/** As JSON Schema of today. Flags are 0 and 1 on the wire. */
function toJsonSchema(type: ApiType): object {
  return jsonTypes[type.type ?? 'any']?.(type) ?? {}
}

const scalar = (type: ApiType): object => ({
  type: type.type,
  ...(type.enum && { enum: type.enum }),
})

const jsonTypes: Record<string, (type: ApiType) => object> = {
  null: () => ({ type: 'null' }),
  boolean: () => ({ enum: [0, 1] }),
  string: scalar,
  integer: scalar,
  number: scalar,
  array: ({ items }) => ({ type: 'array', ...(items && { items: toJsonSchema(items) }) }),
  object: ({ properties = {}, additionalProperties }) => ({
    type: 'object',
    properties: Object.fromEntries(Object.entries(properties).map(([key, of]) => [key, toJsonSchema(of)])),
    required: Object.keys(properties).filter(key => properties[key]!.optional !== 1),
    ...(additionalProperties === 0 && { additionalProperties: false }),
  }),
}

/** What the schema says of these is not what Proxmox sends; this is. */
const CORRECTED: Record<string, ApiType> = {
  // The list of faults is called `errors`, and is there only if a node is checked.
  'GET /cluster/mapping/usb': { type: 'array', items: { type: 'object' } },
  // A text, on which clients rely.
  'GET /cluster/nextid': { type: 'string' },
  // The list of pools answers, with the id of the one that was asked for.
  'GET /pools/{poolid}': {
    type: 'object',
    properties: {
      poolid: { type: 'string' },
      comment: { type: 'string', optional: 1 },
      members: { type: 'array' },
    },
    additionalProperties: 0,
  },
  // Integers of the config stay numbers in the tables of its changes too.
  'GET /nodes/{node}/qemu/{vmid}/pending': changesTable({
    value: {},
    pending: {},
    delete: { type: 'integer' },
  }),
  'GET /nodes/{node}/qemu/{vmid}/cloudinit': changesTable({
    value: {},
    pending: {},
    delete: { type: 'integer' },
  }),
}

/** The schema has texts for `fleecing` and `performance`; Proxmox sends the objects that it made of them. */
CORRECTED['GET /nodes/{node}/vzdump/defaults'] = {
  type: 'object',
  properties: { storage: { type: 'string' }, fleecing: { type: 'object' }, performance: { type: 'object' } },
}

function changesTable(columns: Record<string, ApiType>): ApiType {
  const optional = Object.entries(columns).map(([key, type]) => [key, { ...type, optional: 1 }] as const)
  const properties: Record<string, ApiType> = { key: { type: 'string' }, ...Object.fromEntries(optional) }
  return { type: 'array', items: { type: 'object', properties, additionalProperties: 0 } }
}

/** Refused, as other tests see: an LDAP server or rules for backups are missing, groups became rules, nothing is replicated. */
const NEVER_ANSWERED = new Set([
  'GET /access/tfa/{userid}/{id}',
  'POST /access/vncticket',
  'POST /access/domains/{realm}/sync',
  'GET /nodes/{node}/storage/{storage}/prunebackups',
  'GET /cluster/ha/groups',
  'POST /cluster/ha/groups',
  'GET /cluster/ha/groups/{group}',
  'PUT /cluster/ha/groups/{group}',
  'DELETE /cluster/ha/groups/{group}',
  ...[
    '/cluster/replication/{id}',
    ...['status', 'log'].map(name => `/nodes/{node}/replication/{id}/${name}`),
  ].map(path => `GET ${path}`),
])

const ajv = new Ajv({ strict: false, allErrors: true })

/** One rule of a firewall has its position as the path names it: a text. */
function withTextPosition(operation: string, type: ApiType): ApiType {
  if (!/^GET .*firewall.*\{pos\}$/.test(operation)) return type
  return { ...type, properties: { ...type.properties, pos: { type: 'string' } } }
}

function faultsOf(operation: string, { data }: Reply): unknown {
  const returns = CORRECTED[operation] ?? (schema as ApiSchema).get(operation)?.returns ?? {}
  const type = withTextPosition(operation, returns)
  // An answer that is optional as a whole is null where there is none.
  const whole = type.optional === 1 ? { anyOf: [toJsonSchema(type), { type: 'null' }] } : toJsonSchema(type)
  const validate = ajv.compile(whole)
  validate(data)
  return validate.errors ?? []
}

/** What an agent answers in its own protocol, for commands that a guest without a system does not know. */
const AGENT_ANSWERS: Record<string, unknown> = {
  'guest-get-osinfo': { id: 'debian' },
  'guest-get-fsinfo': [],
  'guest-get-time': 1,
  'guest-get-timezone': { zone: 'UTC', offset: 0 },
  'guest-get-users': [],
  'guest-get-vcpus': [],
  'guest-get-memory-blocks': [],
  'guest-get-memory-block-info': { size: 134217728 },
  'guest-fstrim': { paths: [] },
  'guest-fsfreeze-status': 'thawed',
  'guest-fsfreeze-freeze': 1,
  'guest-fsfreeze-thaw': 1,
  'guest-suspend-ram': {},
  'guest-suspend-disk': {},
  'guest-suspend-hybrid': {},
  'guest-set-user-password': {},
  'guest-shutdown': {},
  'guest-exec': { pid: 7 },
  'guest-exec-status': { exited: true, exitcode: 0, 'out-data': 'eA==' },
  'guest-file-open': 1,
  'guest-file-read': { 'buf-b64': 'eA==', count: 1, eof: true },
  'guest-file-write': { count: 1, eof: false },
  'guest-file-close': {},
}

function driverWithAgent(): GuestDriver {
  const driver = createNoneDriver()
  return {
    ...driver,
    async start(start) {
      const guest = await driver.start(start)
      const agent: typeof guest.agent = async (command, args) =>
        AGENT_ANSWERS[command] ?? guest.agent(command, args)
      return { ...guest, agent }
    },
  }
}

const vm = 'nodes/{node}/qemu/{vmid}'
const bob = { userid: 'bob@pve', tokenid: 'ci' }
const corp = { realm: 'corp' }

/** Every writing operation, in an order in which each succeeds. */
const WRITES: Step[] = [
  step('POST /access/ticket', { username: 'root@pam', password: ROOT_PASSWORD }),
  step('POST /access/users', { userid: 'bob@pve', password: 'secret-8' }),
  step('PUT /access/users/{userid}', { comment: 'x' }, { at: bob }),
  step('PUT /access/password', { userid: 'bob@pve', password: 'other-secret' }, { byTicket: true }),
  step('POST /access/users/{userid}/token/{tokenid}', {}, { at: bob }),
  step('PUT /access/users/{userid}/token/{tokenid}', { comment: 'x' }, { at: bob }),
  step('DELETE /access/users/{userid}/token/{tokenid}', {}, { at: bob }),
  step('DELETE /access/users/{userid}', {}, { at: bob }),
  step('POST /access/roles', { roleid: 'R', privs: 'VM.Audit' }),
  step('PUT /access/roles/{roleid}', { privs: 'VM.Clone' }, { at: { roleid: 'R' } }),
  step('DELETE /access/roles/{roleid}', {}, { at: { roleid: 'R' } }),
  step('POST /access/domains', {
    ...corp,
    type: 'ldap',
    server1: '127.0.0.1',
    base_dn: 'dc=x',
    user_attr: 'uid',
  }),
  step('PUT /access/domains/{realm}', { port: 1 }, { at: corp }),
  step('DELETE /access/domains/{realm}', {}, { at: corp }),
  step('POST /access/groups', { groupid: 'h' }),
  step('PUT /access/groups/{groupid}', { comment: 'x' }, { at: { groupid: 'h' } }),
  step('DELETE /access/groups/{groupid}', {}, { at: { groupid: 'h' } }),
  step('PUT /access/acl', { path: '/pool/lab', roles: 'PVEAuditor', users: 'ann@pve' }),
  step('POST /pools', { poolid: 'p' }),
  step('PUT /pools', { poolid: 'p', comment: 'x' }),
  step('PUT /pools/{poolid}', { comment: 'y' }, { at: { poolid: 'p' } }),
  step('DELETE /pools/{poolid}', {}, { at: { poolid: 'p' } }),
  step('POST /pools', { poolid: 'p' }),
  step('DELETE /pools', { poolid: 'p' }),
  step('POST /nodes/{node}/qemu', { vmid: 200, scsi0: 'tank:1', ide2: 'tank:cloudinit', agent: 1 }),
  step(`PUT /${vm}/config`, { cores: 2 }, { at: { vmid: '200' } }),
  step(`POST /${vm}/config`, { memory: 1024 }, { at: { vmid: '200' } }),
  step(`PUT /${vm}/cloudinit`, {}, { at: { vmid: '200' } }),
  step(`PUT /${vm}/resize`, { disk: 'scsi0', size: '+1G' }, { at: { vmid: '200' } }),
  step(`POST /${vm}/move_disk`, { disk: 'scsi0', storage: 'spare', delete: 1 }, { at: { vmid: '200' } }),
  step(`PUT /${vm}/unlink`, { idlist: 'net7' }, { at: { vmid: '200' } }),
  step(`POST /${vm}/snapshot`, { snapname: 'before' }, { at: { vmid: '200' } }),
  step(
    `PUT /${vm}/snapshot/{snapname}/config`,
    { description: 'x' },
    { at: { vmid: '200', snapname: 'before' } },
  ),
  step(`POST /${vm}/snapshot/{snapname}/rollback`, {}, { at: { vmid: '200', snapname: 'before' } }),
  step(`DELETE /${vm}/snapshot/{snapname}`, {}, { at: { vmid: '200', snapname: 'before' } }),
  step(`POST /${vm}/status/start`, {}, { at: { vmid: '200' } }),
  ...['suspend', 'resume'].map(name => step(`POST /${vm}/status/${name}`, {}, { at: { vmid: '200' } })),
  step(`PUT /${vm}/sendkey`, { key: 'ctrl-alt-delete' }),
  step('POST /nodes/{node}/vzdump', { vmid: 100 }),
  ...['ping', 'fstrim', 'fsfreeze-status', 'fsfreeze-freeze', 'fsfreeze-thaw'].map(name =>
    step(`POST /${vm}/agent/${name}`),
  ),
  ...['suspend-ram', 'suspend-disk', 'suspend-hybrid', 'shutdown'].map(name =>
    step(`POST /${vm}/agent/${name}`),
  ),
  step(`POST /${vm}/agent`, { command: 'ping' }),
  step(`POST /${vm}/agent/set-user-password`, { username: 'ann', password: 'secret' }),
  step(`POST /${vm}/agent/exec`, { command: 'true' }),
  step(`POST /${vm}/agent/file-write`, { file: '/tmp/x', content: 'x' }),
  ...['reset', 'reboot', 'shutdown'].map(name =>
    step(`POST /${vm}/status/${name}`, {}, { at: { vmid: '200' } }),
  ),
  step(`POST /${vm}/status/stop`, {}, { at: { vmid: '200' } }),
  step(`POST /${vm}/clone`, { newid: 201, full: 1 }, { at: { vmid: '200' } }),
  step(`POST /${vm}/migrate`, { target: 'pve2' }, { at: { vmid: '201' } }),
  step(`POST /${vm}/template`, {}, { at: { vmid: '200' } }),
  step(`DELETE /${vm}`, {}, { at: { node: 'pve2', vmid: '201' } }),
  step(`POST /${vm}/migrate`, { target: 'pve2' }, { at: { vmid: '200' } }),
  step('POST /nodes/{node}/storage/{storage}/download-url', {
    content: 'iso',
    filename: 'a.iso',
    url: 'IMAGE',
  }),
  step('POST /storage', { storage: 'extra', type: 'dir', path: '/srv/extra' }),
  step(
    'PUT /storage/{storage}',
    { content: 'backup', 'prune-backups': 'keep-last=1' },
    { at: { storage: 'extra' } },
  ),
  step('DELETE /nodes/{node}/storage/{storage}/prunebackups', {}, { at: { storage: 'extra' } }),
  step('DELETE /storage/{storage}', {}, { at: { storage: 'extra' } }),
  step(
    'POST /nodes/{node}/storage/{storage}/content',
    { vmid: 999, filename: 'vm-999-disk-0', size: '1M' },
    { at: { storage: 'tank' } },
  ),
  step(
    'PUT /nodes/{node}/storage/{storage}/content/{volume}',
    { notes: 'kept' },
    { at: { storage: 'backups', volume: 'backups:backup/vzdump-qemu-100-2026_01_02-03_04_05.vma.zst' } },
  ),
  step(
    'DELETE /nodes/{node}/storage/{storage}/content/{volume}',
    {},
    { at: { storage: 'local', volume: 'local:iso/a.iso' } },
  ),
  step('DELETE /nodes/{node}/tasks/{upid}'),
  ...CLUSTER_WRITES,
]

const reads = routes
  .filter(({ method }) => method === 'GET')
  .map(operationOf)
  .filter(operation => !NEVER_ANSWERED.has(operation))

/** What a reading operation has to be asked, beyond its path. */
const QUESTIONS: Record<string, string> = {
  [`GET /${vm}/cloudinit/dump`]: '?type=user',
  [`GET /${vm}/feature`]: '?feature=snapshot',
  'GET /nodes/{node}/vzdump/extractconfig': '?volume=BACKUP',
  [`GET /${vm}/agent/exec-status`]: '?pid=7',
  [`GET /${vm}/agent/file-read`]: '?file=/etc/hostname',
  'GET /nodes/{node}/query-url-metadata': '?url=IMAGE',
  'GET /nodes/{node}/storage/{storage}/rrddata': '?timeframe=hour',
  'GET /nodes/{node}/scan/lvmthin': '?vg=pve',
}

const UPLOAD = 'POST /nodes/{node}/storage/{storage}/upload'

test('every operation of the lab is among those that are checked', () => {
  const checked = new Set([...reads, ...NEVER_ANSWERED, ...WRITES.map(({ operation }) => operation), UPLOAD])
  expect(routes.map(operationOf).filter(operation => !checked.has(operation))).toEqual([])
})

describe.skipIf(!schema)('the answer', () => {
  let lab: TestLab
  let web: Server
  let imageUrl: string
  let backup: string
  let ticket: Headers
  const usual: Record<string, string> = {
    node: 'pve',
    vmid: '100',
    storage: 'local',
    volume: 'tank:vm-100-disk-0',
    userid: 'root@pam',
    tokenid: 'test',
    roleid: 'PVEVMUser',
    groupid: 'g',
    realm: 'pve',
    poolid: 'lab',
    snapname: 'kept',
    ...CLUSTER_USUAL,
  }

  beforeAll(async () => {
    web = createServer((_, response) => response.writeHead(200, { 'content-length': 4 }).end('file'))
    await new Promise<void>(resolve => web.listen(0, '127.0.0.1', resolve))
    imageUrl = `http://127.0.0.1:${(web.address() as AddressInfo).port}/a.iso`
    lab = await startLab({
      driver: driverWithAgent(),
      userCfg: 'user:ann@pve:1:0::::::\ngroup:g:ann@pve::\npool:lab::100:local:\nacl:1:/vms:@g:PVEVMUser:\n',
      cluster: {
        nodes: ['pve', 'pve2'].map(name => ({ name, online: true })),
        storages: [
          { id: 'local', type: 'dir', content: ['iso', 'snippets', 'import', 'backup'] },
          { id: 'tank', type: 'zfspool', content: ['images'] },
          { id: 'spare', type: 'zfspool', content: ['images'] },
          { id: 'backups', type: 'dir', content: ['backup'] },
        ],
      },
    })
    const disks = { scsi0: 'tank:1', ide2: 'tank:cloudinit', net0: 'virtio,bridge=vmbr0' }
    const more = { agent: 1, ciuser: 'ann', tags: 'a;b', start: 1 }
    await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name: 'x', cores: 2, ...disks, ...more })
    await lab.task('POST', '/nodes/pve/qemu/100/snapshot', { snapname: 'kept' })
    await lab.task('POST', '/nodes/pve/vzdump', { vmid: 100 })
    backup = (await lab.get('/nodes/pve/storage/local/content?content=backup')).data[0].volid
    for (const { operation, at, body } of CLUSTER_READS) {
      const [method] = operation.split(' ')
      const reply = await lab.call(method!, pathOf(operation, at), JSON.stringify(body))
      expect(reply.status, `${operation}: ${reply.reason}`).toBe(200)
    }
    await lab.server.admin.settled()
    usual['upid'] = lab.server.admin.tasks()[0]!.upid
    ticket = await lab.rootTicket()
  })
  afterAll(async () => {
    web.close()
    await lab.close()
  })

  const pathOf = (operation: string, at: Record<string, string> = {}) =>
    operation
      .slice(operation.indexOf('/'))
      .replace(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent((at[key] ?? usual[key])!))

  /** Lists travel as JSON. */
  const bodyOf = (sent: Record<string, unknown>) =>
    Object.values(sent).some(Array.isArray) ? JSON.stringify(sent) : sent

  async function expectAnswer(operation: string, reply: Reply): Promise<void> {
    expect(reply.status, `${reply.reason} ${JSON.stringify(reply.errors)}`).toBe(200)
    expect(faultsOf(operation, reply), JSON.stringify(reply.data)).toEqual([])
  }

  test.each(reads)('of %s', async operation => {
    const question = (QUESTIONS[operation] ?? '')
      .replace('IMAGE', encodeURIComponent(imageUrl))
      .replace('BACKUP', encodeURIComponent(backup))
    const at = { storage: operation.includes('{volume}') ? 'tank' : 'local' }
    await expectAnswer(operation, await lab.get(pathOf(operation, at) + question))
  })

  test.each(WRITES)('of $operation', async ({ operation, at, body, byTicket }) => {
    const sent = Object.fromEntries(
      Object.entries(body ?? {}).map(([key, value]) => [key, value === 'IMAGE' ? imageUrl : value]),
    )
    const [method] = operation.split(' ')
    const inQuery = method === 'DELETE' && Object.keys(sent).length > 0
    const path = pathOf(operation, at) + (inQuery ? `?${new URLSearchParams(sent as never)}` : '')
    const headers = byTicket ? ticket : undefined
    const reply = await lab.call(method!, path, inQuery ? {} : bodyOf(sent), headers)
    await expectAnswer(operation, reply)
    await lab.server.admin.settled()
    expect(lab.server.admin.tasks().at(-1)!.exitstatus, 'its worker').toBe('OK')
  })

  test(`of ${UPLOAD}`, async () => {
    const form = ['--b', 'Content-Disposition: form-data; name="content"', '', 'iso']
    const file = [
      '--b',
      'Content-Disposition: form-data; name="filename"; filename="u.iso"',
      '',
      'x',
      '--b--',
      '',
    ]
    const body = Buffer.from([...form, ...file].join('\r\n'))
    const type = { 'content-type': 'multipart/form-data; boundary=b' }
    await expectAnswer(UPLOAD, await lab.call('POST', pathOf(UPLOAD), body, { ...lab.rootHeaders, ...type }))
  })
})
