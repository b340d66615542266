/** What a trial must know of the user's project and Proxmox. It only reads. */
import { randomBytes } from 'node:crypto'
import { baseName, imageOfBase } from '../build/base/description.mts'
import { buildTarget, proxmoxSource } from '../packer/build-target.mts'
import { loadTemplate, type Template } from '../packer/template.mts'
import { getPermissions } from '../proxmox/get-permissions.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { listStorages } from '../proxmox/list-storages.mts'
import { listVmids, listVms, type VmSummary } from '../proxmox/list-vms.mts'
import { listVolumes } from '../proxmox/list-volumes.mts'
import { gibOf } from '../proxmox/property-string.mts'
import { tagsIn } from '../proxmox/tags.mts'
import { bootDiskOf } from '../proxmox/vm-devices.mts'
import type { VmRef } from '../proxmox/vm-ref.mts'
import { ownValue } from '../run/own-value.mts'
import { findBase } from '../site/build-needs.mts'
import type { Connection } from '../site/connect.mts'
import { openRegistry } from '../site/open-registry.mts'
import { addressesIn } from '../vm/look/config-addresses.mts'
import { releaseFor, type TrialFacts } from './plan.mts'

/** Family that a trial builds. */
export const FAMILY = 'debian'

/** Options of a trial that its plan depends on. */
export interface TrialWishes {
  firstVmid: number | undefined
  importAnyway: boolean
}

/** Asks Proxmox and reads the user's project; changes neither. */
export async function surveyTrial(connection: Connection, wishes: TrialWishes): Promise<TrialFacts> {
  const { client, config, credentials, site } = connection
  const { node, storagePool } = credentials
  const id = randomBytes(3).toString('hex')
  const [template, pools, vms, storages] = await Promise.all([
    loadTemplate(FAMILY),
    site.pools(),
    listVms(client),
    listStorages(client, node),
  ])
  const target = buildTarget(template, {})
  const image = imageOfBase(target.baseName ?? '')
  const base = await findBase(client, target.baseName, node)
  const pool = pools.pools[pools.defaultPool]!
  const defaults = await site.vmDefaults()
  return {
    ...wishes,
    id,
    node,
    diskStorage: storagePool,
    imageStorage: config.imageStorage,
    storages,
    vmids: await vmidsInUse(connection),
    ownRanges: [config.templateVmidRange, config.baseVmidRange, pools.vmidRange],
    image,
    source: importable(template, image, id) ? ownValue(config.images, image) : undefined,
    base: base?.template === 1 ? { name: base.name!, vmid: base.vmid } : undefined,
    pool,
    takenAddresses: await addressesTaken(connection, vms),
    userDataStorage: defaults.cloudInit.storage,
    // The provider's own variables do as well.
    hasNodeSsh: credentials.ssh !== undefined || Boolean(process.env['PROXMOX_VE_SSH_USERNAME']),
    mayMakePools: await isGranted(connection, 'Pool.Allocate', `/pool/proxmint-trial-${id}`),
    mayDeleteImages: await isGranted(connection, 'Datastore.Allocate', `/storage/${config.imageStorage}`),
    sizes: {
      templateMemoryMib: target.memoryMib,
      baseDiskGib: base?.template === 1 ? await diskOf(connection, base) : undefined,
      vmDiskGib: defaults.disk,
    },
    bridges: [...new Set([config.bridge, pool.bridge ?? config.bridge])],
    templateTakesPool:
      target.pool === undefined && proxmoxSource(template)?.file.endsWith('.pkr.hcl') === true,
  }
}

/** Whether the template can be built from a base VM with a name of the trial's own. */
function importable(template: Template, image: string, id: string): boolean {
  const release = releaseFor(image, id)
  const { baseName: built } = buildTarget(template, { variables: { debian_release: release } })
  return built === baseName(`debian-${release}`)
}

/** Addresses of the registry, and of VMs in Proxmox that proxmint made, also for another site. */
async function addressesTaken({ client, site }: Connection, vms: VmSummary[]): Promise<Set<string>> {
  const place = await site.registryPlace()
  // The file that names the database is written by commands that use it.
  const read = place.kind === 'postgres' ? { kind: place.kind, url: place.url } : place
  const store = await openRegistry('trial', read)
  try {
    const entries = await store.list()
    const ours = vms.filter(({ tags = '' }) => tagsIn(tags).some(tag => tag.startsWith('proxmint-')))
    const configs = await Promise.all(ours.map(vm => getVmConfig(client, vm).catch(() => ({}))))
    return new Set([...entries.map(({ address }) => address), ...configs.flatMap(addressesIn)])
  } finally {
    await store.close()
  }
}

/** VMIDs of guests, and of disks without one: a VM that gets its VMID may be deleted with them. */
async function vmidsInUse({ client, credentials }: Connection): Promise<number[]> {
  const { node, storagePool: storage } = credentials
  const [vmids, disks] = await Promise.all([
    listVmids(client),
    // `doctor` is the first step, and tells what is wrong with the storage.
    listVolumes(client, { node, storage }, 'images').catch(() => []),
  ])
  return [...vmids, ...disks.flatMap(({ vmid }) => vmid ?? [])]
}

/** Size of the disk of a base VM, in GiB. */
async function diskOf({ client }: Connection, base: VmRef): Promise<number | undefined> {
  const config = await getVmConfig(client, base)
  const gib = gibOf(String(config[bootDiskOf(config) ?? ''] ?? ''))
  return gib === undefined ? undefined : Math.ceil(gib)
}

async function isGranted({ client }: Connection, privilege: string, path: string): Promise<boolean> {
  return privilege in ((await getPermissions(client, { path }))[path] ?? {})
}
