/** /nodes/{node}/qemu/{vmid}/config, pending and cloudinit: a VM's options, present and waiting. */
import { failure, parameterError } from '../core/errors.mts'
import { flag, integer, nodeName, optional, splitList, text, vmid } from '../core/parameters.mts'
import { allOf, anyOf, requireMaySkipLock } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Call, type Route, route } from '../core/route.mts'
import type { Vm } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { requireSaneDrive, resolveCdromAlias } from './attach.mts'
import { cloudInitOptionsOf, generateCloudInit, hasCloudInitDrive } from './cloud-init.mts'
import { digestOfVm } from './conf-file.mts'
import { drivesOf } from './drive.mts'
import { vmOptions } from './options.mts'
import { HIDDEN_PASSWORD, settingsFrom, visibleConfig, visibleValue } from './settings.mts'
import { type Change, requireChange, updateVm } from './update.mts'
import { findVm, withPending } from './vm.mts'

const path = '/nodes/{node}/qemu/{vmid}'
const vm = { node: nodeName, vmid }

const changeParameters = {
  ...vmOptions,
  ...vm,
  delete: optional(text),
  digest: optional(text),
  force: optional(flag),
  revert: optional(text),
  skiplock: optional(flag),
}

const mayConfigure = anyOf(
  '/vms/{vmid}',
  ...['Disk', 'CDROM', 'CPU', 'Memory', 'Network', 'HWType', 'Options', 'Cloudinit'].map(
    key => `VM.Config.${key}`,
  ),
)

function isKnown(key: string): boolean {
  return Object.keys(settingsFrom({ [key]: '' })).length > 0
}

interface ChangeParameters {
  vmid: number
  delete?: string
  digest?: string
  force?: boolean
  revert?: string
  skiplock?: boolean
}

function knownOptions(parameter: 'delete' | 'revert', value: string | undefined): string[] {
  const keys = splitList(value)
  const unknown = keys.find(key => !isKnown(key))
  if (unknown !== undefined) throw parameterError({ [parameter]: `unknown option '${unknown}'` })
  return keys
}

function changeFrom({ pve, caller, params, raw }: Call<ChangeParameters>): Change {
  requireMaySkipLock(caller, params.skiplock)
  const change = {
    vmid: params.vmid,
    set: settingsFrom(raw),
    remove: knownOptions('delete', params.delete),
    revert: knownOptions('revert', params.revert),
    digest: params.digest,
    force: params.force ?? false,
    skiplock: params.skiplock ?? false,
  }
  for (const [slot, drive] of drivesOf(resolveCdromAlias(change.set))) requireSaneDrive(slot, drive)
  requireChange(pve, caller, change)
  findVm(pve, params.vmid)
  return change
}

/** Context without a log, for a change in the request itself. */
const silent: TaskContext = { log: () => {}, warn: () => {}, signal: new AbortController().signal }

/** Lists each option with its present and its waiting value. */
function pendingOf(vmRecord: Vm): ApiObject[] {
  const keys = new Set([...Object.keys(vmRecord.config), ...Object.keys(vmRecord.pending)])
  return [...keys].sort().map(key => {
    const [value, pending] = [vmRecord.config[key], vmRecord.pending[key]]
    return {
      key,
      ...(value !== undefined && { value: visibleValue(key, value) }),
      ...(pending !== undefined && { pending: visibleValue(key, pending) }),
      ...(vmRecord.pendingDelete.includes(key) && { delete: 1 }),
    }
  })
}

/** Lists each cloud-init option with its value on the present drive and its value in the config. */
function cloudInitChanges(vmRecord: Vm): ApiObject[] {
  const now = cloudInitOptionsOf(vmRecord.config)
  const then = vmRecord.cloudInitApplied ?? now
  const keys = new Set([...Object.keys(now), ...Object.keys(then)])
  return [...keys].sort().map(key => ({
    key,
    ...(then[key] !== undefined && { value: visibleValue(key, then[key]) }),
    ...(now[key] !== undefined && now[key] !== then[key] && { pending: visibleValue(key, now[key]) }),
    ...(now[key] === undefined && { delete: 1 }),
  }))
}

const DUMPS = { user: 'userData', network: 'networkConfig', meta: 'metaData' } as const

async function dumpCloudInit(pve: Pve, id: number, type: keyof typeof DUMPS): Promise<string> {
  const { config } = findVm(pve, id)
  const shown = config['cipassword'] === undefined ? config : { ...config, cipassword: HIDDEN_PASSWORD }
  const drive = await generateCloudInit(pve, id, shown)
  return drive[DUMPS[type]]
}

export const qemuConfigRoutes: Route[] = [
  route({
    method: 'GET',
    path: `${path}/config`,
    permission: allOf('/vms/{vmid}', 'VM.Audit'),
    parameters: { ...vm, current: optional(flag), snapshot: optional(text) },
    handle({ pve, params }) {
      const found = findVm(pve, params.vmid)
      if (params.snapshot !== undefined) throw failure(`snapshot '${params.snapshot}' does not exist`)
      return {
        ...visibleConfig(params.current ? found.config : withPending(found)),
        digest: digestOfVm(found),
      }
    },
  }),
  route({
    method: 'PUT',
    path: `${path}/config`,
    permission: mayConfigure,
    parameters: changeParameters,
    async handle(call) {
      await updateVm(call.pve, changeFrom(call as never), silent)
    },
  }),
  route({
    method: 'POST',
    path: `${path}/config`,
    permission: mayConfigure,
    parameters: { ...changeParameters, background_delay: optional({ ...integer, minimum: 1, maximum: 30 }) },
    handle(call) {
      const change = changeFrom(call as never)
      return call.pve.tasks.start({
        type: 'qmconfig',
        id: String(change.vmid),
        authid: call.caller.authid,
        async work(task) {
          await call.pve.pause(DURATIONS.config)
          await updateVm(call.pve, change, task)
        },
      })
    },
  }),
  route({
    method: 'GET',
    path: `${path}/pending`,
    permission: allOf('/vms/{vmid}', 'VM.Audit'),
    parameters: vm,
    handle: ({ pve, params }) => pendingOf(findVm(pve, params.vmid)),
  }),
  route({
    method: 'GET',
    path: `${path}/cloudinit`,
    permission: allOf('/vms/{vmid}', 'VM.Audit'),
    parameters: vm,
    handle: ({ pve, params }) => cloudInitChanges(findVm(pve, params.vmid)),
  }),
  route({
    method: 'PUT',
    path: `${path}/cloudinit`,
    permission: allOf('/vms/{vmid}', 'VM.Config.Cloudinit'),
    parameters: vm,
    async handle({ pve, params }) {
      const found = findVm(pve, params.vmid)
      if (!hasCloudInitDrive(found.config)) throw failure('no cloud-init drive found')
      await generateCloudInit(pve, params.vmid, found.config)
      found.cloudInitApplied = cloudInitOptionsOf(found.config)
    },
  }),
  route({
    method: 'GET',
    path: `${path}/cloudinit/dump`,
    permission: allOf('/vms/{vmid}', 'VM.Audit'),
    parameters: { ...vm, type: { type: 'string', enum: ['user', 'network', 'meta'] } },
    handle: ({ pve, params }) => dumpCloudInit(pve, params.vmid, params.type as keyof typeof DUMPS),
  }),
]
