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
  /** SDN zone of the bridge, if it is a vnet. Default: the zone of the bridges of nodes. */
  zone?: string | undefined
  /** Networks of its cards beside the first. */
  furtherCards?: CardPlace[]
  /** Pool that the VM is made in. It has the privileges on the pool then, besides those on its own path. */
  pool?: string | undefined
}

/** Network of a card, as its ACL path needs it. */
export type CardPlace = Pick<NewVmPlace, 'bridge' | 'vlanTag' | 'zone'>

/**
 * Needs of Packer's proxmox-clone builder.
 * @param source VMID of the base VM; undefined if it is unknown yet.
 * @param cards Cards of the base VM: Proxmox clones a VM only for who may use its networks.
 */
export function cloneBuildNeeds(
  place: NewVmPlace,
  source: number | undefined,
  usesAgent: boolean,
  cards: CardPlace[] = [],
): Need[] {
  const paths = new Set(cards.map(bridgeAclPath))
  paths.delete(bridgeAclPath(place))
  return [
    ...cloneNeeds('base VM', source),
    ...[...paths].map(path => need('clone the base VM, which has a card there', path, 'SDN.Use')),
    ...packerNeeds(place, usesAgent),
  ]
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
    vmNeed(place, 'press a key at the start of the installation', 'VM.Console'),
    ...packerNeeds(place, usesAgent),
  ]
}

/** Needs of both builders, from the VM's config to the template. */
function packerNeeds(place: NewVmPlace, usesAgent: boolean): Need[] {
  return [
    ...newVmNeeds(place),
    ...configNeeds(place),
    vmNeed(place, 'start and shut down the VM', 'VM.PowerMgmt'),
    ...(usesAgent ? [agentNeed(place)] : []),
    {
      ...need('look for HA resources', '/', 'Sys.Audit'),
      without: 'Packer retries for some 6 s',
    },
  ]
}

/** Needs of the import of a cloud image: download, VM, first boot, template. */
export function baseImportNeeds(place: NewVmPlace, imageStorage: string): Need[] {
  const storage = `/storage/${imageStorage}`
  return [
    need('download the image and upload an ISO', storage, 'Datastore.AllocateTemplate'),
    downloadNeed(place),
    readNeed('read the image', storage),
    deleteIsoNeed('first boot', storage),
    ...newVmNeeds(place),
    ...configNeeds(place),
    vmNeed(place, 'start the VM', 'VM.PowerMgmt'),
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
  return [
    ...templateNeeds(place, template),
    ...newVmNeeds(place),
    ...configNeeds(place, ['Disk', 'Options']),
    vmNeed(place, 'start and stop the clones', 'VM.PowerMgmt'),
    ...(family.agent ? [agentNeed(place)] : []),
    ...(family.login === 'ssh' ? seedNeeds(place, `/storage/${imageStorage}`) : []),
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
  return [
    ...cloneNeeds('VM template', template),
    ...newVmNeeds(place),
    ...configNeeds(place),
    vmNeed(place, 'start and shut down the VM', 'VM.PowerMgmt'),
    agentNeed(place),
    ...deliveryNeeds(delivery),
  ]
}

/**
 * Needs of a backup before a destroy, of its restore and of its removal (PVE/VZDump.pm, PVE/Storage.pm), beside those of a VM.
 */
export function backupNeeds(vm: Pick<NewVmPlace, 'vmid' | 'pool'>, storage: string): Need[] {
  return [
    vmNeed(vm, 'back a VM up before it is destroyed, and restore it', 'VM.Backup'),
    need('keep the backup', `/storage/${storage}`, 'Datastore.AllocateSpace'),
  ]
}

/** Needs of devices that a VM has by resource mappings. */
export function deviceNeeds(devices: readonly { pci?: string; usb?: string }[]): Need[] {
  return devices.map(({ pci, usb }) => {
    const mapping = pci === undefined ? `usb/${usb}` : `pci/${pci}`
    return need(`give it the device ${mapping}`, `/mapping/${mapping}`, 'Mapping.Use')
  })
}

/**
 * Needs of a rebuild: those of the VM, also on the spare VM, which is cloned with the cards of its VM template.
 * @param cards Cards of the VM template.
 */
export function rebuildNeeds(
  place: NewVmPlace,
  template: number,
  delivery: Delivery,
  cards: CardPlace[],
): Need[] {
  const paths = new Set(cards.map(bridgeAclPath))
  paths.delete(bridgeAclPath(place))
  return [
    ...vmNeeds(place, template, delivery),
    ...[...paths].map(path => need('clone the VM template, which has a card there', path, 'SDN.Use')),
  ]
}

/** Needs of a change of the cards of a VM, with the addresses of them. */
export function cardNeeds(vmid: number, cards: CardPlace[]): Need[] {
  const path = vmAclPath(vmid)
  return [
    ...[...new Set(cards.map(bridgeAclPath))].map(bridge =>
      need('attach it to the bridge', bridge, 'SDN.Use'),
    ),
    need('change its cards', path, 'VM.Config.Network'),
    need('change its addresses', path, 'VM.Config.Cloudinit'),
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
function seedNeeds(place: NewVmPlace, storage: string): Need[] {
  return [
    ...configNeeds(place, ['CDROM', 'Cloudinit', 'Network']),
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
  return [
    vmNeed(place, 'follow the VM', 'VM.Audit'),
    vmNeed(place, `make the VM${place.pool === undefined ? '' : ' in its pool'}`, 'VM.Allocate'),
    ...[...new Set(place.diskStorages)].map(storage =>
      need('make its disks', `/storage/${storage}`, 'Datastore.AllocateSpace'),
    ),
    ...[...new Set([place, ...(place.furtherCards ?? [])].map(bridgeAclPath))].map(path =>
      need('attach it to the bridge', path, 'SDN.Use'),
    ),
  ]
}

const CONFIG_PARTS = ['CPU', 'Cloudinit', 'CDROM', 'Disk', 'HWType', 'Memory', 'Network', 'Options']

function configNeeds(place: NewVmPlace, parts = CONFIG_PARTS): Need[] {
  return parts.map(part => vmNeed(place, 'configure the VM', `VM.Config.${part}`))
}

/** Needs for a VM template that was built into the pool: before it exists, the pool's path stands for it. */
function templateNeeds(place: NewVmPlace, template: number | undefined): Need[] {
  if (template !== undefined) return cloneNeeds('VM template', template)
  return [
    vmNeed(place, 'find the VM template', 'VM.Audit'),
    vmNeed(place, 'clone the VM template', 'VM.Clone'),
  ]
}

/** Need on the new VM, by its own path or by its pool. */
function vmNeed(place: Pick<NewVmPlace, 'vmid' | 'pool'>, purpose: string, ...privileges: string[]): Need {
  const pool = place.pool === undefined ? [] : [`/pool/${place.pool}`]
  const paths = [...pool, vmAclPath(place.vmid)]
  const alternatives = paths.flatMap(path => privileges.map(privilege => [{ path, privilege }]))
  return { purpose, alternatives }
}

/** Proxmox VE 9 replaced VM.Monitor by several privileges. */
function agentNeed(place: NewVmPlace): Need {
  const privileges =
    place.pveMajor >= 9 ? ['VM.GuestAgent.Audit', 'VM.GuestAgent.Unrestricted'] : ['VM.Monitor']
  return vmNeed(place, 'ask the guest agent for the address', ...privileges)
}

function need(purpose: string, path: string, privilege: string): Need {
  return { purpose, alternatives: [[{ path, privilege }]] }
}

function vmAclPath(vmid: number | undefined): string {
  return vmid === undefined ? '/vms' : `/vms/${vmid}`
}

/** A card with a VLAN needs the privilege on the VLAN alone (`check_vnet_access` in PVE/GuestHelpers.pm). */
function bridgeAclPath({ bridge, vlanTag, zone = 'localnetwork' }: CardPlace): string {
  return `/sdn/zones/${zone}/${bridge}${vlanTag === undefined ? '' : `/${vlanTag}`}`
}
