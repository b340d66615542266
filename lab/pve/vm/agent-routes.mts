/** /nodes/{node}/qemu/{vmid}/agent: commands, programs and files. PVE 8 has one privilege for all, PVE 9 several. */

import { AgentCommandFailed, AgentNotRunning } from '../../guests/driver.mts'
import { failure } from '../core/errors.mts'
import { flag, integer, type Method, nodeName, optional, text, vmid } from '../core/parameters.mts'
import { allOf, anyOf, type Permission } from '../core/permission.mts'
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
      ...['get-timezone', 'get-users', 'get-vcpus'],
    ],
  ],
  ['POST', FILE_SYSTEMS, ['fstrim']],
  ['POST', ['VM.PowerMgmt', 'VM.GuestAgent.Unrestricted'], ['shutdown']],
]

/** Runs a command of the agent's protocol; returns its `return` value. @throws {ApiError} with Proxmox's text. */
async function callAgent(
  pve: Pve,
  vmid: number,
  command: string,
  args: Record<string, unknown> = {},
): Promise<unknown> {
  const vm = findVm(pve, vmid)
  if (!hasAgentChannel(vm.config)) throw failure('No QEMU guest agent configured')
  const live = pve.live.get(vmid)
  if (!live) throw failure(`VM ${vmid} is not running`)
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
  mode: 'r' | 'w',
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

export const qemuAgentRoutes: Route[] = [
  ...COMMANDS.flatMap(([method, privileges, names]) =>
    names.map(name => commandRoute(method, privileges, name)),
  ),
  route({
    method: 'POST',
    path: `${path}/exec`,
    permission: needs('VM.GuestAgent.Unrestricted'),
    parameters: { ...vm, command: { type: 'array' }, 'input-data': optional(text) },
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
    parameters: { ...vm, file: text },
    handle: ({ pve, params }) =>
      withGuestFile(pve, params, 'r', async handle => {
        const read = await callAgent(pve, params.vmid, 'guest-file-read', { handle, count: MAX_FILE_BYTES })
        return { content: decode((read as ApiObject)['buf-b64']) }
      }),
  }),
  route({
    method: 'POST',
    path: `${path}/file-write`,
    permission: needs('VM.GuestAgent.FileWrite', 'VM.GuestAgent.Unrestricted'),
    parameters: { ...vm, file: text, content: text, encode: optional(flag) },
    handle: ({ pve, params }) =>
      withGuestFile(pve, params, 'w', async handle => {
        const data = params.encode === false ? params.content : base64(params.content)
        await callAgent(pve, params.vmid, 'guest-file-write', { handle, 'buf-b64': data })
      }),
  }),
]
