/** /nodes/{node}/qemu/{vmid}/config and pending: a VM's options, present and waiting. */
import { failure, parameterError } from '../core/errors.mts'
import { configId } from '../core/formats.mts'
import {
  flag,
  integer,
  listOf,
  nodeName,
  optional,
  type RawParameters,
  splitList,
  storageId,
  text,
  vmid,
} from '../core/parameters.mts'
import { allOf, anyOf, requireMaySkipLock } from '../core/permission.mts'
import { type ApiObject, type Call, type Route, route } from '../core/route.mts'
import type { Vm } from '../core/state.mts'
import { DURATIONS, endedWithin, type TaskContext } from '../core/task.mts'
import { checkDrives, resolveCdromAlias } from './attach.mts'
import { requireBridges, requireOptionChanges, requireStorageAccess } from './change-permissions.mts'
import { digestOfVm } from './conf-file.mts'
import { requireHookScript } from './hook-script.mts'
import { addMacs, newIdentity } from './identity.mts'
import { isConfigOption, vmOptions } from './options.mts'
import { settingsFrom, visibleConfig, visibleValue } from './settings.mts'
import { requireSnapshot, snapshotConfig, snapshotName } from './snapshot-parts.mts'
import { requireSshKeys } from './ssh-keys.mts'
import { type Change, loadForChange, updateVm } from './update.mts'
import { findVm, withPending } from './vm.mts'

const path = '/nodes/{node}/qemu/{vmid}'
const vm = { node: nodeName, vmid }
const options = { type: 'string', format: listOf(configId) } as const

const changeParameters = {
  ...vmOptions,
  ...vm,
  delete: optional(options),
  digest: optional({ ...text, maxLength: 40 }),
  force: { ...optional(flag), requires: 'delete' },
  revert: optional(options),
  skiplock: optional(flag),
}

const mayConfigure = anyOf(
  '/vms/{vmid}',
  ...['Disk', 'CDROM', 'CPU', 'Memory', 'Network', 'HWType', 'Options', 'Cloudinit'].map(
    key => `VM.Config.${key}`,
  ),
)

interface ChangeParameters {
  vmid: number
  delete?: string
  digest?: string
  force?: boolean
  revert?: string
  skiplock?: boolean
}

function requireKnown(parameter: 'delete' | 'revert', keys: string[]): string[] {
  const unknown = keys.find(key => !isConfigOption(key))
  if (unknown !== undefined) throw parameterError({ [parameter]: `unknown option '${unknown}'` })
  return keys
}

/** Refuses to do two things with one option. @throws {ApiError} 400 with Proxmox's quotes. */
function requireNoConflict({ set, remove, revert }: Pick<Change, 'set' | 'remove' | 'revert'>): void {
  const fault = (key: string, word: string): string =>
    `you can't use '-${key}' and -${word} ${key}' at the same time`
  const reset = revert.find(key => set[key] !== undefined)
  if (reset !== undefined) throw parameterError({ delete: fault(reset, 'revert') })
  const both = remove.find(key => set[key] !== undefined)
  if (both !== undefined) throw parameterError({ delete: fault(both, 'delete') })
  const kept = remove.find(key => revert.includes(key))
  if (kept !== undefined)
    throw parameterError({ revert: `you can't use '-delete ${kept}' and -revert ${kept}' at the same time` })
}

/** Parameters that belong to the request and not to the change. */
const UNLOGGED = ['node', 'vmid', 'digest', 'background_delay', 'import-working-storage']

/** Writes the parameters as the task's log shows them. */
function shownParameters(raw: RawParameters): string {
  return Object.keys(raw)
    .filter(key => !UNLOGGED.includes(key))
    .sort()
    .map(key => `-${key} ${key === 'cipassword' ? '<hidden>' : raw[key]}`)
    .join(' ')
}

async function changeFrom({ pve, caller, params, raw }: Call<ChangeParameters>): Promise<Change> {
  requireMaySkipLock(caller, params.skiplock)
  const sent = settingsFrom(raw)
  requireSshKeys(sent['sshkeys'])
  if (!params.delete && !params.revert && Object.keys(sent).length === 0)
    throw failure('no options specified')
  const set = resolveCdromAlias(sent)
  const revert = requireKnown('revert', splitList(params.revert))
  const remove = splitList(params.delete).map(key => (key === 'cdrom' ? 'ide2' : key))
  requireNoConflict({ set, remove, revert })
  requireKnown('delete', remove)
  const checked = addMacs(checkDrives(pve, set))
  if (checked['vmgenid'] === '1') checked['vmgenid'] = newIdentity()['vmgenid']!
  await requireHookScript(pve, checked['hookscript'])
  requireOptionChanges(caller, { vmid: params.vmid, pool: undefined }, [...remove, ...Object.keys(checked)])
  requireStorageAccess(pve, caller, params.vmid, checked)
  requireBridges(pve, caller, checked)
  const change: Change = {
    vmid: params.vmid,
    set: checked,
    remove,
    revert,
    digest: params.digest,
    force: params.force ?? false,
    skiplock: params.skiplock ?? false,
    shown: shownParameters(raw),
  }
  loadForChange(pve, change)
  return change
}

/** Context without a log, for a change in the request itself. */
const silent: TaskContext = { log: () => {}, warn: () => {}, signal: new AbortController().signal }

/** Lists each option with its present and its waiting value. */
function pendingOf(vmRecord: Vm): ApiObject[] {
  const config: Record<string, string> = { ...vmRecord.config, digest: digestOfVm(vmRecord) }
  const keys = new Set([...Object.keys(config), ...Object.keys(vmRecord.pending), ...vmRecord.pendingDelete])
  return [...keys].sort().map(key => {
    const [value, pending] = [config[key], vmRecord.pending[key]]
    return {
      key,
      ...(value !== undefined && { value: visibleValue(key, value) }),
      ...(pending !== undefined && { pending: visibleValue(key, pending) }),
      ...(vmRecord.pendingDelete.includes(key) && { delete: vmRecord.forcedDelete?.includes(key) ? 2 : 1 }),
    }
  })
}

export const qemuConfigRoutes: Route[] = [
  route({
    method: 'GET',
    path: `${path}/config`,
    permission: allOf('/vms/{vmid}', 'VM.Audit'),
    parameters: {
      ...vm,
      current: optional(flag),
      snapshot: optional(snapshotName),
    },
    handle({ pve, params: { vmid: id, snapshot, current } }) {
      const conflict = "cannot use 'snapshot' parameter with 'current'"
      if (snapshot && current) throw parameterError({ snapshot: conflict, current: conflict })
      const found = findVm(pve, id)
      const config = visibleConfig(current ? found.config : withPending(found))
      return {
        ...(snapshot ? snapshotConfig(requireSnapshot(found, snapshot)) : config),
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
      await updateVm(call.pve, call.caller, await changeFrom(call as never), silent)
    },
  }),
  route({
    method: 'PUT',
    path: `${path}/unlink`,
    permission: allOf('/vms/{vmid}', 'VM.Config.Disk'),
    parameters: { ...vm, idlist: { type: 'string', format: listOf(configId) }, force: optional(flag) },
    async handle(call) {
      const { vmid: id, idlist, force } = call.params
      const params: ChangeParameters = { vmid: id, delete: idlist, ...(force !== undefined && { force }) }
      await updateVm(call.pve, call.caller, await changeFrom({ ...call, params, raw: {} }), silent)
    },
  }),
  route({
    method: 'POST',
    path: `${path}/config`,
    permission: mayConfigure,
    parameters: {
      ...changeParameters,
      background_delay: optional({ ...integer, minimum: 1, maximum: 30 }),
      'import-working-storage': optional(storageId),
    },
    async handle(call) {
      const { pve, caller, params } = call
      const change = await changeFrom(call as never)
      const upid = await pve.tasks.start({
        type: 'qmconfig',
        id: String(change.vmid),
        authid: caller.authid,
        async work(task) {
          await pve.pause(DURATIONS.config)
          await updateVm(pve, caller, change, task)
        },
      })
      const delay = params.background_delay
      const failed = (status: string): string => `failed to update VM ${change.vmid}: ${status}`
      return delay === undefined ? upid : endedWithin(pve.tasks, upid, delay, failed)
    },
  }),
  route({
    method: 'GET',
    path: `${path}/pending`,
    permission: allOf('/vms/{vmid}', 'VM.Audit'),
    parameters: vm,
    handle: ({ pve, params }) => pendingOf(findVm(pve, params.vmid)),
  }),
]
