import type { Config } from '../../config/load.mts'
import type { VmDefaults } from '../../config/vm-defaults.mts'
import { listStorages, type StorageSummary } from '../../proxmox/list-storages.mts'
import { canHold } from '../../proxmox/storage-types.mts'
import { storageFaults, type WantedStorage } from '../../site/require-storages.mts'
import type { WorkVerdict } from '../../site/work-permissions.mts'
import type { DoctorCheck } from '../check.mts'
import { type Diagnosis, faultOf, ok } from '../diagnosis.mts'
import { lackedBelow, unseen } from '../hidden.mts'
import { type Look, valueIn } from '../look.mts'
import { lookInProxmox } from '../session.mts'

const GIB = 2 ** 30

interface StorageFacts {
  identity: string
  node: string
  wanted: WantedStorage[]
  found: StorageSummary[]
  permissions: Look<WorkVerdict>[]
}

/** Storages of the credentials and the config: there, active, with the content types they need, and with room. */
export const storages: DoctorCheck<StorageFacts> = {
  area: 'storages',
  look: ({ session, config, defaults, permissions }) =>
    lookInProxmox(session, async ({ client, credentials: { node, storagePool } }) => ({
      identity: client.identity,
      node,
      wanted: wantedStorages(storagePool, valueIn(await config), valueIn(await defaults)),
      found: await listStorages(client, node),
      permissions: await permissions,
    })),
  judge: ({ identity, node, wanted, found, permissions }) => {
    const isHidden = ({ storage }: WantedStorage): boolean =>
      !found.some(one => one.storage === storage) &&
      lackedBelow(`/storage/${storage}`, permissions) !== undefined
    const hidden = [...new Set(wanted.filter(isHidden).map(({ storage }) => storage))]
    const visible = merged(wanted, found).filter(one => !isHidden(one))
    const faults = [
      ...storageFaults({ identity }, node, visible, found).map(error => faultOf('storages', error)),
      ...(hidden.length > 0 ? [unseen('storages', 'a privilege', hidden)] : []),
    ]
    const used = found.filter(({ storage }) => wanted.some(one => one.storage === storage))
    return [...faults, ...used.map(judgeRoom)]
  },
}

function wantedStorages(
  storagePool: string,
  config: Config | undefined,
  defaults: VmDefaults | undefined,
): WantedStorage[] {
  const wanted: WantedStorage[] = [
    { storage: storagePool, contents: ['images'], setBy: 'proxmox_storage_pool in the credentials' },
  ]
  if (config !== undefined) {
    const setBy = 'image_storage in config/proxmint.yaml'
    wanted.push({ storage: config.imageStorage, contents: ['import', 'iso'], setBy })
  }
  if (defaults !== undefined) {
    const { storage, delivery } = defaults.cloudInit
    const contents = [delivery === 'snippet' ? 'snippets' : 'iso']
    wanted.push({ storage, contents, setBy: '`storage` of `cloud_init` in config/vm.yaml' })
  }
  return wanted
}

/**
 * Lists each storage once: a second `pvesm set` of its content types would undo the first. If it cannot hold all, its
 * uses stay apart, since some of them must go to another storage.
 */
function merged(wanted: WantedStorage[], found: StorageSummary[]): WantedStorage[] {
  return [...Map.groupBy(wanted, ({ storage }) => storage)].flatMap(([storage, uses]) => {
    const contents = [...new Set(uses.flatMap(one => one.contents))]
    const type = found.find(one => one.storage === storage)?.type
    return canHold(type, contents)
      ? [{ storage, contents, setBy: uses.map(({ setBy }) => setBy).join(' and ') }]
      : uses
  })
}

function judgeRoom({ storage, active, avail, total }: StorageSummary): Diagnosis {
  const area = 'storages'
  if (active === 0) {
    const fix = 'as root on the node: pvesm status'
    return { area, level: 'fault', what: `${storage} is not active`, fix }
  }
  if (avail === undefined || total === undefined) {
    return { area, level: 'unknown', what: `${storage} does not tell how much is free` }
  }
  const what = `${storage}: ${(avail / GIB).toFixed(1)} of ${(total / GIB).toFixed(1)} GiB free`
  const isFull = avail < GIB
  if (!isFull && avail >= total / 10) return ok(area, what)
  const fix = `zx scripts/templates.mts prune; then look for what else can go: pvesm list ${storage}`
  return { area, level: isFull ? 'fault' : 'note', what, fix }
}
