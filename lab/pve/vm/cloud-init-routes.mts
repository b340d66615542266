/** /nodes/{node}/qemu/{vmid}/cloudinit: what waits for the drive of cloud-init, and what is on it. */

import { nodeName, vmid } from '../core/parameters.mts'
import { allOf } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import type { Vm } from '../core/state.mts'
import { cloudInitOptionsOf, dumpCloudInit, generateCloudInit, hasCloudInitDrive } from './cloud-init.mts'
import { visibleValue } from './settings.mts'
import { findVm, isRunning, requireUnlocked } from './vm.mts'

const path = '/nodes/{node}/qemu/{vmid}'
const vm = { node: nodeName, vmid }

const SHOWN_CLOUD_INIT = [
  ...['cicustom', 'cipassword', 'citype', 'ciuser', 'ciupgrade', 'nameserver', 'searchdomain', 'sshkeys'],
]

/** Lists cloud-init options with their values on the running guest's drive and in the config. */
function cloudInitChanges(pve: Pve, vmRecord: Vm): ApiObject[] {
  const now = cloudInitOptionsOf(vmRecord.config)
  const then = (isRunning(pve, vmRecord.vmid) ? vmRecord.cloudInitApplied : undefined) ?? now
  const shown = (key: string, text: string): unknown => visibleValue(key, text)
  const added = Object.keys(now).filter(key => then[key] === undefined)
  const kept = SHOWN_CLOUD_INIT.filter(
    key => now[key] !== undefined && now[key] !== '0' && !added.includes(key),
  )
  const gone = Object.keys(then).filter(key => now[key] === undefined)
  return [
    ...added.map(key => ({ key, pending: shown(key, now[key]!) })),
    ...kept.map(key =>
      then[key] === now[key]
        ? { key, value: shown(key, now[key]!) }
        : { key, value: shown(key, then[key]!), pending: shown(key, now[key]!) },
    ),
    ...gone.map(key => ({ key, delete: 1 })),
  ]
}

export const qemuCloudInitRoutes: Route[] = [
  route({
    method: 'GET',
    path: `${path}/cloudinit`,
    permission: allOf('/vms/{vmid}', 'VM.Audit'),
    parameters: vm,
    handle: ({ pve, params }) => cloudInitChanges(pve, findVm(pve, params.vmid)),
  }),
  route({
    method: 'PUT',
    path: `${path}/cloudinit`,
    permission: allOf('/vms/{vmid}', 'VM.Config.Cloudinit'),
    parameters: vm,
    async handle({ pve, params }) {
      const found = findVm(pve, params.vmid)
      requireUnlocked(found)
      if (!hasCloudInitDrive(found.config)) return
      await generateCloudInit(pve, params.vmid, found.config)
      found.cloudInitApplied = cloudInitOptionsOf(found.config)
    },
  }),
  route({
    method: 'GET',
    path: `${path}/cloudinit/dump`,
    permission: allOf('/vms/{vmid}', 'VM.Audit'),
    parameters: { ...vm, type: { type: 'string', enum: ['user', 'network', 'meta'] } },
    handle: ({ pve, params }) => dumpCloudInit(findVm(pve, params.vmid).config, params.vmid, params.type),
  }),
]
