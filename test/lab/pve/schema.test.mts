/** The lab against Proxmox's own API schema, where that is at hand: PROXMINT_APIDATA, or beside the project. */

import { existsSync, readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Permission } from '../../../lab/pve/permission.mts'
import { permissionOf, type Route } from '../../../lab/pve/route.mts'
import { routes } from '../../../lab/pve/routes.mts'
import { startLab, type TestLab } from './client.mts'

interface Schema {
  type?: string
  optional?: 0 | 1
  properties?: Record<string, Schema>
  items?: Schema
  enum?: unknown[]
  additionalProperties?: 0 | 1
}
interface Operation {
  allowtoken?: 0 | 1
  parameters?: { properties?: Record<string, Schema> }
  permissions?: { check?: unknown[]; user?: string }
  returns?: Schema
}
interface Node {
  path: string
  info?: Record<string, Operation>
  children?: Node[]
}

const root = new URL('../../../', import.meta.url)
const file = process.env['PROXMINT_APIDATA'] ?? new URL('../shared/pve/apidata.json', root).pathname

function collect(nodes: Node[], into = new Map<string, Operation>()): Map<string, Operation> {
  for (const node of nodes) {
    for (const [method, operation] of Object.entries(node.info ?? {}))
      into.set(`${method} ${node.path}`, operation)
    collect(node.children ?? [], into)
  }
  return into
}

const hasSchema = existsSync(file)
const operations = hasSchema ? collect(JSON.parse(readFileSync(file, 'utf8'))) : new Map<string, Operation>()
if (!hasSchema)
  console.warn(`SKIPPED: no Proxmox API schema at ${file}; set PROXMINT_APIDATA to its apidata.json`)

const nameOf = (route: Route) => `${route.method} ${route.path.replace('*}', '}')}`
const named = routes.map(route => [nameOf(route), route] as const)

/** Where Proxmox itself does otherwise than its schema says, or the schema cannot say it. */
const OPTIONAL_HERE = new Set([
  // Always there: it stands in the path.
  'GET /nodes/{node}/storage/{storage}/content/{volume} storage',
  'DELETE /nodes/{node}/storage/{storage}/content/{volume} storage',
  // The file part of the form carries the name; a field beside it is rare.
  'POST /nodes/{node}/storage/{storage}/upload filename',
  // A move to another VM, which the lab does not do, names no storage.
  'POST /nodes/{node}/qemu/{vmid}/move_disk storage',
])

/** Our rule in the shape of the schema's `check`. */
function checkOf(rule: Permission): unknown {
  switch (rule.kind) {
    case 'and':
    case 'or':
      return [rule.kind, ...rule.rules.map(checkOf)]
    case 'all-of':
      return ['perm', rule.path, rule.privileges, ...(rule.onlyWith ? ['require_param', rule.onlyWith] : [])]
    case 'any-of':
      return ['perm', rule.path, rule.privileges, 'any', 1]
    case 'self':
      return ['userid-param', 'self']
    case 'realm-of-user':
      return ['userid-param', 'Realm.AllocateUser']
    case 'group-of-user':
      return ['userid-group', rule.privileges]
    case 'modify-permissions':
      return ['perm-modify', rule.path]
    default:
      return undefined
  }
}

/** The groups a user is put into are checked by the handler, so the schema's option for that is left out. */
const withoutOptions = (check: unknown): unknown => {
  if (!Array.isArray(check)) return check
  return check[0] === 'userid-group' ? check.slice(0, 2) : check.map(withoutOptions)
}

describe.skipIf(!hasSchema)('every operation', () => {
  test.each(named)('%s is one of Proxmox', name => {
    expect([...operations.keys()]).toContain(name)
  })

  test.each(named)(
    '%s takes no parameter that Proxmox does not know, and needs the same ones',
    (name, route) => {
      const theirs = operations.get(name)?.parameters?.properties ?? {}
      for (const [key, ours] of Object.entries(route.parameters)) {
        expect(Object.keys(theirs), `${name} ${key}`).toContain(key)
        expect(ours.type, `${name} ${key} type`).toBe(theirs[key]!.type)
        if (OPTIONAL_HERE.has(`${name} ${key}`)) continue
        expect(ours.optional ?? false, `${name} ${key} optional`).toBe(theirs[key]!.optional === 1)
      }
      const needed = Object.keys(theirs).filter(key => theirs[key]!.optional !== 1)
      for (const key of needed) expect(Object.keys(route.parameters), name).toContain(key)
    },
  )

  test.each(named)('%s takes API tokens where Proxmox does', (name, route) => {
    expect(route.allowToken ?? true).toBe(operations.get(name)?.allowtoken !== 0)
  })

  test.each(named.filter(([name]) => operations.get(name)?.permissions?.check))(
    '%s asks for the same privileges',
    (name, route) => {
      expect(checkOf(permissionOf(route, 9))).toEqual(
        withoutOptions(operations.get(name)!.permissions!.check),
      )
    },
  )
})

/** As JSON Schema. Flags are 0 and 1 on the wire. */
function toJsonSchema(schema: Schema): object {
  const properties = Object.entries(schema.properties ?? {})
  switch (schema.type) {
    case 'boolean':
      return { enum: [0, 1] }
    case 'array':
      return { type: 'array', ...(schema.items && { items: toJsonSchema(schema.items) }) }
    case 'object':
      return {
        type: 'object',
        properties: Object.fromEntries(properties.map(([key, value]) => [key, toJsonSchema(value)])),
        required: properties.filter(([, value]) => value.optional !== 1).map(([key]) => key),
      }
    case 'string':
    case 'integer':
    case 'number':
      return { type: schema.type, ...(schema.enum && { enum: schema.enum }) }
    default:
      return schema.type === 'null' ? { type: 'null' } : {}
  }
}

describe.skipIf(!hasSchema)('answers', () => {
  let lab: TestLab
  let upid: string
  beforeAll(async () => {
    lab = await startLab({
      userCfg: 'user:ann@pve:1:0::::::\ngroup:g:ann@pve::\npool:lab::100:local:\nacl:1:/vms:@g:PVEVMUser:\n',
    })
    const settings = {
      vmid: 100,
      name: 'x',
      cores: 2,
      scsi0: 'tank:1',
      ide2: 'tank:cloudinit',
      net0: 'virtio,bridge=vmbr0',
    }
    await lab.task('POST', '/nodes/pve/qemu', { ...settings, agent: 1, ciuser: 'ann', tags: 'a;b', start: 1 })
    upid = lab.server.admin.tasks()[0]!.upid
  })
  afterAll(() => lab.close())

  const values: Record<string, () => string> = {
    node: () => 'pve',
    vmid: () => '100',
    upid: () => upid,
    storage: () => 'tank',
    volume: () => 'tank:vm-100-disk-0',
    userid: () => 'root@pam',
    tokenid: () => 'test',
    roleid: () => 'PVEVMUser',
    groupid: () => 'g',
    poolid: () => 'lab',
  }

  const QUERIES: Record<string, string> = { 'GET /nodes/{node}/qemu/{vmid}/cloudinit/dump': '?type=user' }

  /** What the schema says of these is not what Proxmox sends. */
  const DIFFERENT = new Set([
    // Integers of the config stay numbers in its table of changes too.
    'GET /nodes/{node}/qemu/{vmid}/pending',
    'GET /nodes/{node}/qemu/{vmid}/cloudinit',
    // A text, on which clients rely.
    'GET /cluster/nextid',
  ])

  /** Not answered by a lab with nothing highly available, no URL and a guest without a system in it. */
  const UNANSWERED = /ha\/resources|query-url-metadata|agent\/(?!network|info|get-host-name)/

  const readable = named.filter(
    ([name, route]) => route.method === 'GET' && !UNANSWERED.test(route.path) && !DIFFERENT.has(name),
  )

  test.each(readable)('of %s have the types the schema gives', async (name, route) => {
    const path = route.path.replace(/\{(\w+)\*?\}/g, (_, key: string) => encodeURIComponent(values[key]!()))
    const reply = await lab.get(`${path}${QUERIES[name] ?? ''}`)
    expect(reply.status, reply.reason).toBe(200)
    const validate = new Ajv({ strict: false, allErrors: true }).compile(
      toJsonSchema(operations.get(name)!.returns ?? {}),
    )
    validate(reply.data)
    expect(validate.errors ?? [], JSON.stringify(reply.data)).toEqual([])
  })

  test('of writing operations too', async () => {
    const token = await lab.call('POST', '/access/users/root@pam/token/fresh', {})
    const ticket = await lab.call(
      'POST',
      '/access/ticket',
      { username: 'root@pam', password: 'correct horse' },
      {},
    )
    for (const [name, data] of [
      ['POST /access/users/{userid}/token/{tokenid}', token.data],
      ['POST /access/ticket', ticket.data],
    ] as const)
      expect(
        new Ajv({ strict: false }).validate(toJsonSchema(operations.get(name)!.returns!), data),
        name,
      ).toBe(true)
  })
})
