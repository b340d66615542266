/** The guest agent: plain commands, programs, files. PVE 8 has one privilege for all of it, PVE 9 several. */

import type { Method } from '../core/method.mts'
import { flag, integer, nodeName, optional, text, vmid } from '../core/parameters.mts'
import type { Permission } from '../core/permission.mts'
import { allOf, anyOf } from '../core/permission.mts'
import type { MajorVersion } from '../core/privileges.mts'
import { type Route, route } from '../core/route.mts'
import { callAgent, execStatus } from './agent.mts'

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

/** Commands without arguments; each is `guest-` and its name in the agent's own protocol. */
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

/** Opens a file in the guest, gives its handle to `use`, and closes it whatever happens. */
async function withGuestFile<T>(
  call: (command: string, args: Record<string, unknown>) => Promise<unknown>,
  file: string,
  mode: 'r' | 'w',
  use: (handle: unknown) => Promise<T>,
): Promise<T> {
  const handle = await call('guest-file-open', { path: file, mode })
  try {
    return await use(handle)
  } finally {
    await call('guest-file-close', { handle })
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
      return execStatus(result as Record<string, unknown>)
    },
  }),
  route({
    method: 'GET',
    path: `${path}/file-read`,
    permission: needs('VM.GuestAgent.FileRead', 'VM.GuestAgent.Unrestricted'),
    parameters: { ...vm, file: text },
    handle: ({ pve, params }) =>
      withGuestFile(
        (command, args) => callAgent(pve, params.vmid, command, args),
        params.file,
        'r',
        async handle => {
          const read = await callAgent(pve, params.vmid, 'guest-file-read', { handle, count: MAX_FILE_BYTES })
          const { 'buf-b64': data } = read as { 'buf-b64': string }
          return { content: Buffer.from(data, 'base64').toString('utf8') }
        },
      ),
  }),
  route({
    method: 'POST',
    path: `${path}/file-write`,
    permission: needs('VM.GuestAgent.FileWrite', 'VM.GuestAgent.Unrestricted'),
    parameters: { ...vm, file: text, content: text, encode: optional(flag) },
    handle: ({ pve, params }) =>
      withGuestFile(
        (command, args) => callAgent(pve, params.vmid, command, args),
        params.file,
        'w',
        async handle => {
          const data = params.encode === false ? params.content : base64(params.content)
          await callAgent(pve, params.vmid, 'guest-file-write', { handle, 'buf-b64': data })
        },
      ),
  }),
]
