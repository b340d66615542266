/** A privilege on an ACL path. */
export interface Grant {
  path: string
  privilege: string
}

/** Privileges for one purpose. One alternative is enough; all its grants are needed. */
export interface Need {
  /** Purpose in a few words: `find the base VM`. */
  purpose: string
  alternatives: Grant[][]
  /** Consequence of its lack; only set if the work goes on without it. */
  without?: string
}

/** Place where a VM is made. Node, storages, bridge and pool give the ACL paths. */
export interface NewVmPlace {
  /** Major version of Proxmox VE, which decides the guest agent's privileges. */
  pveMajor: number
  node: string
  /** Undefined before a VMID is chosen; `/vms` stands for it then. */
  vmid: number | undefined
  /** Storages that get a disk or a cloud-init drive. */
  diskStorages: string[]
  bridge: string
  vlanTag?: number | undefined
  pool?: string | undefined
}

/**
 * Lists the needs of Packer's proxmox-clone builder, from the clone to the VM template.
 * @param source VMID of the base VM; undefined if it is not known.
 */
export function cloneBuildNeeds(place: NewVmPlace, source: number | undefined, usesAgent: boolean): Need[] {
  const base = vmAclPath(source)
  return [
    need('find the base VM', base, 'VM.Audit'),
    need('clone the base VM', base, 'VM.Clone'),
    ...packerNeeds(place, usesAgent),
  ]
}

/**
 * Lists the needs of Packer's proxmox-iso builder: media, VM, keys, VM template.
 * @param isoStorage storage for the media.
 */
export function isoBuildNeeds(place: NewVmPlace, isoStorage: string, usesAgent: boolean): Need[] {
  const storage = `/storage/${isoStorage}`
  return [
    need('download and upload installation media', storage, 'Datastore.AllocateTemplate'),
    downloadNeed(place),
    need('delete the medium with the answer file', storage, 'Datastore.Allocate'),
    need('press a key at the start of the installation', vmAclPath(place.vmid), 'VM.Console'),
    ...packerNeeds(place, usesAgent),
  ]
}

/** Lists the needs from the VM's config to the VM template, for any origin of its disk. */
function packerNeeds(place: NewVmPlace, usesAgent: boolean): Need[] {
  const target = vmAclPath(place.vmid)
  return [
    ...newVmNeeds(place),
    ...configNeeds(target, ['CPU', 'Cloudinit', 'CDROM', 'Disk', 'HWType', 'Memory', 'Network', 'Options']),
    need('start and shut down the VM', target, 'VM.PowerMgmt'),
    ...(usesAgent ? [agentNeed(target, place.pveMajor)] : []),
    {
      ...need('look for HA resources', '/', 'Sys.Audit'),
      without: "Packer's answer to the refusal is some 6 s of retries",
    },
  ]
}

/** Lists the needs of the import of a cloud image: download, VM, first boot, VM template. */
export function baseImportNeeds(place: NewVmPlace, imageStorage: string): Need[] {
  const target = vmAclPath(place.vmid)
  const storage = `/storage/${imageStorage}`
  return [
    need('download the image and upload an ISO', storage, 'Datastore.AllocateTemplate'),
    downloadNeed(place),
    {
      purpose: 'read the image',
      alternatives: ['Datastore.Audit', 'Datastore.AllocateSpace'].map(privilege => [
        { path: storage, privilege },
      ]),
    },
    {
      ...need('delete the ISO of the first boot', storage, 'Datastore.Allocate'),
      without: 'the ISO (under 1 MB, no secret in it) stays on the storage',
    },
    ...newVmNeeds(place),
    ...configNeeds(target, ['CPU', 'Cloudinit', 'CDROM', 'Disk', 'HWType', 'Memory', 'Network', 'Options']),
    need('start the VM', target, 'VM.PowerMgmt'),
  ]
}

/**
 * Lists the needs of the acceptance test of a VM template: two clones, one booted from an ISO of ours.
 * @param template VMID of the VM template; undefined before it is made.
 */
export function acceptanceNeeds(
  place: NewVmPlace,
  template: number | undefined,
  family: { login: 'ssh' | 'none'; agent: boolean },
  imageStorage: string,
): Need[] {
  const source = vmAclPath(template)
  const target = vmAclPath(place.vmid)
  return [
    need('find the VM template', source, 'VM.Audit'),
    need('clone the VM template', source, 'VM.Clone'),
    ...newVmNeeds(place),
    ...configNeeds(target, ['Disk', 'Options']),
    need('start and stop the clones', target, 'VM.PowerMgmt'),
    ...(family.agent ? [agentNeed(target, place.pveMajor)] : []),
    ...(family.login === 'ssh' ? seedNeeds(target, `/storage/${imageStorage}`) : []),
  ]
}

/** Way of user-data to a VM, and the storage for it. */
interface Delivery {
  kind: 'snippet' | 'iso'
  storage: string
}

/**
 * Lists the needs of the life of a VM, from the clone to its destruction, by proxmint and by the Terraform provider.
 * @param template VMID of the VM template; undefined if it is not known.
 */
export function vmNeeds(place: NewVmPlace, template: number | undefined, delivery: Delivery): Need[] {
  const source = vmAclPath(template)
  const target = vmAclPath(place.vmid)
  return [
    need('find the VM template', source, 'VM.Audit'),
    need('clone the VM template', source, 'VM.Clone'),
    ...newVmNeeds(place),
    ...configNeeds(target, ['CPU', 'Cloudinit', 'CDROM', 'Disk', 'HWType', 'Memory', 'Network', 'Options']),
    need('start and shut down the VM', target, 'VM.PowerMgmt'),
    agentNeed(target, place.pveMajor),
    ...deliveryNeeds(delivery),
  ]
}

/** Lists the needs of user-data. A snippet travels over the node's SSH, but the API looks up and lists its storage. */
function deliveryNeeds({ kind, storage }: Delivery): Need[] {
  const path = `/storage/${storage}`
  return [
    need('list the user-data', path, 'Datastore.Audit'),
    ...(kind === 'iso' ? [need('upload the user-data', path, 'Datastore.AllocateTemplate')] : []),
    need(`find the folder of the ${kind} and remove it`, path, 'Datastore.Allocate'),
  ]
}

/** Lists the needs of a key on the cloud-init drive, and of an ISO in its place. */
function seedNeeds(vm: string, storage: string): Need[] {
  return [
    ...configNeeds(vm, ['CDROM', 'Cloudinit', 'Network']),
    need('upload an ISO', storage, 'Datastore.AllocateTemplate'),
    {
      purpose: 'boot from the ISO',
      alternatives: ['Datastore.Audit', 'Datastore.AllocateSpace'].map(privilege => [
        { path: storage, privilege },
      ]),
    },
    {
      ...need('delete the ISO of the acceptance test', storage, 'Datastore.Allocate'),
      without: 'the ISO (under 1 MB, no secret in it) stays on the storage',
    },
  ]
}

function downloadNeed({ node }: NewVmPlace): Need {
  return {
    purpose: 'let the node download from a URL',
    alternatives: [
      [{ path: `/nodes/${node}`, privilege: 'Sys.AccessNetwork' }],
      [
        { path: '/', privilege: 'Sys.Audit' },
        { path: '/', privilege: 'Sys.Modify' },
      ],
    ],
  }
}

function newVmNeeds(place: NewVmPlace): Need[] {
  const target = vmAclPath(place.vmid)
  const allocate: Need =
    place.pool === undefined
      ? need('make the VM', target, 'VM.Allocate')
      : {
          purpose: 'make the VM in its pool',
          alternatives: [target, `/pool/${place.pool}`].map(path => [{ path, privilege: 'VM.Allocate' }]),
        }
  return [
    need('follow the VM', target, 'VM.Audit'),
    allocate,
    ...[...new Set(place.diskStorages)].map(storage =>
      need('make its disks', `/storage/${storage}`, 'Datastore.AllocateSpace'),
    ),
    need('attach it to the bridge', bridgeAclPath(place), 'SDN.Use'),
  ]
}

function configNeeds(path: string, parts: string[]): Need[] {
  return parts.map(part => need('configure the VM', path, `VM.Config.${part}`))
}

function agentNeed(path: string, pveMajor: number): Need {
  const privileges = pveMajor >= 9 ? ['VM.GuestAgent.Audit', 'VM.GuestAgent.Unrestricted'] : ['VM.Monitor']
  return {
    purpose: 'ask the guest agent for the address',
    alternatives: privileges.map(privilege => [{ path, privilege }]),
  }
}

function need(purpose: string, path: string, privilege: string): Need {
  return { purpose, alternatives: [[{ path, privilege }]] }
}

function vmAclPath(vmid: number | undefined): string {
  return vmid === undefined ? '/vms' : `/vms/${vmid}`
}

function bridgeAclPath({ bridge, vlanTag }: NewVmPlace): string {
  return `/sdn/zones/localnetwork/${bridge}${vlanTag === undefined ? '' : `/${vlanTag}`}`
}
