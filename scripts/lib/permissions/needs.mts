/** A privilege on an ACL path. */
export interface Grant {
  path: string
  privilege: string
}

/** Something the work calls for; any one of the alternatives is enough, all grants of it are wanted. */
export interface Need {
  /** What it is wanted for, in a few words. */
  purpose: string
  alternatives: Grant[][]
  /** Set where the work goes on without it: what happens then. */
  without?: string
}

/** Where a VM is made: what the privileges are asked on. */
export interface NewVmPlace {
  /** PVE's major version decides the guest agent's privileges. */
  pveMajor: number
  node: string
  /** Undefined where no VMID is chosen yet: then /vms stands for it. */
  vmid: number | undefined
  /** Storages that get a disk or a cloud-init drive. */
  diskStorages: string[]
  bridge: string
  vlanTag?: number | undefined
  pool?: string | undefined
}

/**
 * What Packer's proxmox-clone builder calls for, from the clone to the template.
 * @param source VMID of the base VM; undefined where it is not known yet.
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
 * What Packer's proxmox-iso builder calls for: media, VM, keys, template.
 * @param isoStorage takes the media.
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

/** From the VM's config to the template, whatever its disk comes from. */
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

/** What the import of a cloud image calls for: download, VM, first boot, template. */
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
 * What the acceptance test of a VM template calls for: two clones of it, one booted from an ISO of ours.
 * @param template VMID of the VM template; undefined where it is not made yet.
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

/** How user-data reaches a VM, and the storage it is put on. */
interface Delivery {
  kind: 'snippet' | 'iso'
  storage: string
}

/**
 * What the life of a VM calls for, from the clone to its destruction, by proxmint and by the Terraform provider.
 * @param template VMID of the VM template; undefined where it is not known yet.
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

/** A snippet travels over the node's SSH; its storage is looked up, and what is there listed, by the API. */
function deliveryNeeds({ kind, storage }: Delivery): Need[] {
  const path = `/storage/${storage}`
  return [
    need('list the user-data', path, 'Datastore.Audit'),
    ...(kind === 'iso' ? [need('upload the user-data', path, 'Datastore.AllocateTemplate')] : []),
    need(`find the folder of the ${kind} and remove it`, path, 'Datastore.Allocate'),
  ]
}

/** A key by the cloud-init drive, and an ISO instead of it. */
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
