/** Privileges that each kind of work needs. */

/** Privilege on an ACL path. */
export interface Grant {
  path: string
  privilege: string
}

/** Requirement of a piece of work: all grants of any one alternative. */
export interface Need {
  /** Action that needs it, in a few words. */
  purpose: string
  alternatives: Grant[][]
  /** Consequence if it is missing. Undefined: the work fails. */
  without?: string
}

/** Place of a VM that is to be made. Its privileges are needed on these paths. */
export interface NewVmPlace {
  /** Major version of Proxmox VE, which decides the privileges for the guest agent. */
  pveMajor: number
  node: string
  /** Undefined before a VMID is chosen: the path is then /vms. */
  vmid: number | undefined
  /** Storages of its disks and its cloud-init drive. */
  diskStorages: string[]
  bridge: string
  vlanTag?: number | undefined
  pool?: string | undefined
}

/**
 * Needs of Packer's proxmox-clone builder.
 * @param source VMID of the base VM; undefined if it is unknown yet.
 */
export function cloneBuildNeeds(place: NewVmPlace, source: number | undefined, usesAgent: boolean): Need[] {
  return [...cloneNeeds('base VM', source), ...packerNeeds(place, usesAgent)]
}

/**
 * Needs of Packer's proxmox-iso builder.
 * @param isoStorage Storage of the installation media.
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

/** Needs of both builders, from the VM's config to the template. */
function packerNeeds(place: NewVmPlace, usesAgent: boolean): Need[] {
  const target = vmAclPath(place.vmid)
  return [
    ...newVmNeeds(place),
    ...configNeeds(target),
    need('start and shut down the VM', target, 'VM.PowerMgmt'),
    ...(usesAgent ? [agentNeed(target, place.pveMajor)] : []),
    {
      ...need('look for HA resources', '/', 'Sys.Audit'),
      without: 'Packer retries for some 6 s',
    },
  ]
}

/** Needs of the import of a cloud image: download, VM, first boot, template. */
export function baseImportNeeds(place: NewVmPlace, imageStorage: string): Need[] {
  const target = vmAclPath(place.vmid)
  const storage = `/storage/${imageStorage}`
  return [
    need('download the image and upload an ISO', storage, 'Datastore.AllocateTemplate'),
    downloadNeed(place),
    readNeed('read the image', storage),
    deleteIsoNeed('first boot', storage),
    ...newVmNeeds(place),
    ...configNeeds(target),
    need('start the VM', target, 'VM.PowerMgmt'),
  ]
}

/**
 * Needs of the acceptance test of a VM template: two clones, one of which boots from an ISO.
 * @param template VMID of the VM template; undefined before it exists.
 */
export function acceptanceNeeds(
  place: NewVmPlace,
  template: number | undefined,
  family: { login: 'ssh' | 'none'; agent: boolean },
  imageStorage: string,
): Need[] {
  const target = vmAclPath(place.vmid)
  return [
    ...cloneNeeds('VM template', template),
    ...newVmNeeds(place),
    ...configNeeds(target, ['Disk', 'Options']),
    need('start and stop the clones', target, 'VM.PowerMgmt'),
    ...(family.agent ? [agentNeed(target, place.pveMajor)] : []),
    ...(family.login === 'ssh' ? seedNeeds(target, `/storage/${imageStorage}`) : []),
  ]
}

/** Form of the user-data and its storage. */
interface Delivery {
  kind: 'snippet' | 'iso'
  storage: string
}

/**
 * Needs of a VM from its clone to its destruction, for proxmint and the Terraform provider.
 * @param template VMID of the VM template; undefined if it is unknown yet.
 */
export function vmNeeds(place: NewVmPlace, template: number | undefined, delivery: Delivery): Need[] {
  const target = vmAclPath(place.vmid)
  return [
    ...cloneNeeds('VM template', template),
    ...newVmNeeds(place),
    ...configNeeds(target),
    need('start and shut down the VM', target, 'VM.PowerMgmt'),
    agentNeed(target, place.pveMajor),
    ...deliveryNeeds(delivery),
  ]
}

/** Needs for the user-data. A snippet is uploaded over SSH, but its storage is looked up with the API. */
function deliveryNeeds({ kind, storage }: Delivery): Need[] {
  const path = `/storage/${storage}`
  return [
    need('list the user-data', path, 'Datastore.Audit'),
    ...(kind === 'iso' ? [need('upload the user-data', path, 'Datastore.AllocateTemplate')] : []),
    need(`find the folder of the ${kind} and remove it`, path, 'Datastore.Allocate'),
  ]
}

/** Needs for a login on both clones: one has a cloud-init drive, the other an ISO instead. */
function seedNeeds(vm: string, storage: string): Need[] {
  return [
    ...configNeeds(vm, ['CDROM', 'Cloudinit', 'Network']),
    need('upload an ISO', storage, 'Datastore.AllocateTemplate'),
    readNeed('boot from the ISO', storage),
    deleteIsoNeed('acceptance test', storage),
  ]
}

function cloneNeeds(what: string, vmid: number | undefined): Need[] {
  const path = vmAclPath(vmid)
  return [need(`find the ${what}`, path, 'VM.Audit'), need(`clone the ${what}`, path, 'VM.Clone')]
}

function readNeed(purpose: string, path: string): Need {
  const privileges = ['Datastore.Audit', 'Datastore.AllocateSpace']
  return { purpose, alternatives: privileges.map(privilege => [{ path, privilege }]) }
}

function deleteIsoNeed(work: string, storage: string): Need {
  return {
    ...need(`delete the ISO of the ${work}`, storage, 'Datastore.Allocate'),
    without: 'the ISO (under 1 MB, no secret in it) stays on the storage',
  }
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

const CONFIG_PARTS = ['CPU', 'Cloudinit', 'CDROM', 'Disk', 'HWType', 'Memory', 'Network', 'Options']

function configNeeds(path: string, parts = CONFIG_PARTS): Need[] {
  return parts.map(part => need('configure the VM', path, `VM.Config.${part}`))
}

/** Proxmox VE 9 replaced VM.Monitor by several privileges. */
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
