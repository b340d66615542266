/** /nodes/{node}/qemu/{vmid}/agent: commands, programs and files. PVE 8 has one privilege for all, PVE 9 several. */

import { AgentCommandFailed, AgentNotRunning } from '../../guests/driver.mts'
import { failure } from '../core/errors.mts'
import { flag, integer, type Method, nodeName, optional, text, vmid } from '../core/parameters.mts'
import { allOf, anyOf, anyone, type Permission } from '../core/permission.mts'
import type { MajorVersion } from '../core/privileges.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import { withAgentFaults } from '../faults/agent-faults.mts'
import { findVm, hasAgentChannel } from './vm.mts'

const path = '/nodes/{node}/qemu/{vmid}/agent'
const vm = { node: nodeName, vmid }

function needs(...privileges: string[]): Record<MajorVersion, Permission> {
  return {
    8: allOf('/vms/{vmid}', 'VM.Monitor'),
    9: privileges.length === 1 ? allOf('/vms/{vmid}', ...privileges) : anyOf('/vms/{vmid}', ...privileges),
  }
}

const AUDIT = ['VM.GuestAgent.Audit', 'VM.GuestAgent.Unrestricted']
const FILE_SYSTEMS = ['VM.GuestAgent.FileSystemMgmt', 'VM.GuestAgent.Unrestricted']

/** Commands without arguments. The name in the agent's own protocol begins with `guest-`. */
const COMMANDS: [method: Method, privileges: string[], names: string[]][] = [
  ['POST', AUDIT, ['ping']],
  [
    'GET',
    AUDIT,
    [
      ...['info', 'network-get-interfaces', 'get-osinfo', 'get-host-name', 'get-fsinfo', 'get-time'],
      ...['get-timezone', 'get-users', 'get-vcpus', 'get-memory-blocks', 'get-memory-block-info'],
    ],
  ],
  ['POST', ['VM.GuestAgent.Audit', ...FILE_SYSTEMS], ['fsfreeze-status']],
  ['POST', FILE_SYSTEMS, ['fsfreeze-freeze', 'fsfreeze-thaw', 'fstrim']],
  [
    'POST',
    ['VM.PowerMgmt', 'VM.GuestAgent.Unrestricted'],
    ['shutdown', 'suspend-disk', 'suspend-hybrid', 'suspend-ram'],
  ],
]
const COMMAND_NAMES = COMMANDS.flatMap(([, , names]) => names).sort()
/** Commands with arguments. */
const OTHERS = ['exec', 'exec-status', 'file-read', 'file-write', 'set-user-password']

/** Runs a command of the agent's protocol; returns its `return` value. @throws {ApiError} with Proxmox's text. */
async function callAgent(
  pve: Pve,
  vmid: number,
  command: string,
  args: Record<string, unknown> = {},
): Promise<unknown> {
  const vm = findVm(pve, vmid)
  if (vm.config['agent'] === undefined) throw failure('No QEMU guest agent configured')
  const live = pve.live.get(vmid)
  if (!live) throw failure(`VM ${vmid} is not running`)
  if (!hasAgentChannel(vm.config) || live.paused) throw failure('QEMU guest agent is not running')
  try {
    return await withAgentFaults(pve.faults, { vmid, command }, () => live.guest.agent(command, args))
  } catch (error) {
    if (error instanceof AgentNotRunning) throw failure('QEMU guest agent is not running')
    if (error instanceof AgentCommandFailed) throw failure(`Agent error: ${error.message}`)
    throw error
  }
}

function commandRoute(method: Method, privileges: string[], name: string): Route {
  return route({
    method,
    path: `${path}/${name}`,
    permission: needs(...privileges),
    parameters: vm,
    handle: async ({ pve, params }) => ({ result: await callAgent(pve, params.vmid, `guest-${name}`) }),
  })
}

function base64(value: string): string {
  return Buffer.from(value, 'utf8').toString('base64')
}

function decode(data: unknown): string {
  return Buffer.from(String(data ?? ''), 'base64').toString('utf8')
}

/** Converts an answer of `guest-exec-status`: decodes the output from base64, and makes flags 0 or 1. */
function execStatus(result: ApiObject): ApiObject {
  const { 'out-data': out, 'err-data': err, exited, ...rest } = result
  return {
    ...rest,
    exited: exited ? 1 : 0,
    ...(out !== undefined && { 'out-data': decode(out) }),
    ...(err !== undefined && { 'err-data': decode(err) }),
  }
}

/** Opens a file in the guest, gives its handle to `use`, and closes it even after an error. */
async function withGuestFile<T>(
  pve: Pve,
  { vmid, file }: { vmid: number; file: string },
  mode: 'r' | 'wb',
  use: (handle: unknown) => Promise<T>,
): Promise<T> {
  const handle = await callAgent(pve, vmid, 'guest-file-open', { path: file, mode })
  try {
    return await use(handle)
  } finally {
    await callAgent(pve, vmid, 'guest-file-close', { handle })
  }
}

const MAX_FILE_BYTES = 16 * 1024 * 1024

/** Reads a part of an open file. Proxmox asks the agent for one MiB at a time. */
async function readFile(
  pve: Pve,
  vmid: number,
  handle: unknown,
  count: number,
): Promise<{ content: Buffer; whole: boolean }> {
  const chunks: Buffer[] = []
  for (let left = count; left > 0; ) {
    const read = await callAgent(pve, vmid, 'guest-file-read', { handle, count: Math.min(left, READ_BYTES) })
    const { 'buf-b64': data, eof, count: got } = read as { 'buf-b64'?: string; eof?: boolean; count: number }
    chunks.push(Buffer.from(data ?? '', 'base64'))
    left -= got
    if (eof || got === 0) return { content: Buffer.concat(chunks), whole: true }
  }
  return { content: Buffer.concat(chunks), whole: false }
}

const READ_BYTES = 1024 * 1024

export const qemuAgentRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: anyone,
    parameters: vm,
    handle: () => [...COMMAND_NAMES, ...OTHERS].sort().map(name => ({ name })),
  }),
  route({
    method: 'POST',
    path,
    // Proxmox's schema names it twice, and so does its error.
    permission: needs('VM.GuestAgent.Unrestricted', 'VM.GuestAgent.Unrestricted'),
    parameters: { ...vm, command: { type: 'string', enum: COMMAND_NAMES } },
    handle: async ({ pve, params }) => ({
      result: await callAgent(pve, params.vmid, `guest-${params.command}`),
    }),
  }),
  route({
    method: 'POST',
    path: `${path}/set-user-password`,
    permission: needs('VM.GuestAgent.Unrestricted'),
    parameters: {
      ...vm,
      username: text,
      password: { type: 'string', minLength: 5, maxLength: 1024 },
      crypted: optional(flag),
    },
    async handle({ pve, params }) {
      const { username, password, crypted = false } = params
      const args = { username, password: base64(password), crypted }
      return { result: await callAgent(pve, params.vmid, 'guest-set-user-password', args) }
    },
  }),
  ...COMMANDS.flatMap(([method, privileges, names]) =>
    names.map(name => commandRoute(method, privileges, name)),
  ),
  route({
    method: 'POST',
    path: `${path}/exec`,
    permission: needs('VM.GuestAgent.Unrestricted'),
    parameters: {
      ...vm,
      command: { type: 'array', items: text },
      'input-data': optional({ type: 'string', maxLength: 64 * 1024 }),
    },
    handle({ pve, params }) {
      const [program, ...args] = params.command
      const input = params['input-data']
      return callAgent(pve, params.vmid, 'guest-exec', {
        path: program,
        arg: args,
        'capture-output': true,
        ...(input !== undefined && { 'input-data': base64(input) }),
      })
    },
  }),
  route({
    method: 'GET',
    path: `${path}/exec-status`,
    permission: needs('VM.GuestAgent.Unrestricted'),
    parameters: { ...vm, pid: integer },
    async handle({ pve, params }) {
      const result = await callAgent(pve, params.vmid, 'guest-exec-status', { pid: params.pid })
      return execStatus(result as ApiObject)
    },
  }),
  route({
    method: 'GET',
    path: `${path}/file-read`,
    permission: needs('VM.GuestAgent.FileRead', 'VM.GuestAgent.Unrestricted'),
    parameters: {
      ...vm,
      file: text,
      count: optional({ ...integer, minimum: 1, maximum: MAX_FILE_BYTES }),
      decode: optional(flag),
      offset: optional({ ...integer, minimum: 0 }),
    },
    handle: ({ pve, params }) =>
      withGuestFile(pve, params, 'r', async handle => {
        const { vmid: id, count = MAX_FILE_BYTES, decode: decoded = true, offset = 0 } = params
        if (offset > 0) await callAgent(pve, id, 'guest-file-seek', { handle, offset, whence: 'set' })
        const { content, whole } = await readFile(pve, id, handle, count)
        return {
          content: content.toString(decoded ? 'utf8' : 'base64'),
          'bytes-read': content.length,
          ...(!whole && { truncated: 1 }),
        }
      }),
  }),
  route({
    method: 'POST',
    path: `${path}/file-write`,
    permission: needs('VM.GuestAgent.FileWrite', 'VM.GuestAgent.Unrestricted'),
    parameters: {
      ...vm,
      file: text,
      content: { type: 'string', maxLength: 60 * 1024 },
      encode: optional(flag),
    },
    handle: ({ pve, params }) =>
      withGuestFile(pve, params, 'wb', async handle => {
        const data = params.encode === false ? params.content : base64(params.content)
        await callAgent(pve, params.vmid, 'guest-file-write', { handle, 'buf-b64': data })
      }),
  }),
]
