import type { OpenIssuer } from '../../credential/issuer.mts'
import { mintRequestOf } from '../../credential/vm-token.mts'
import { checkPermissions, requireGranted } from '../../permissions/check.mts'
import {
  backupNeeds,
  type CardPlace,
  cardNeeds,
  deviceNeeds,
  type NewVmPlace,
  vmNeeds,
} from '../../permissions/needs.mts'
import type { ProxmoxClient } from '../../proxmox/client.mts'
import { ProxmoxApiError } from '../../proxmox/errors.mts'
import { getVmConfig } from '../../proxmox/get-vm-config.mts'
import { listStorages } from '../../proxmox/list-storages.mts'
import { storagesOfDrives } from '../../proxmox/vm-devices.mts'
import type { CardDesign, ClonedDesign, VmDesign } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import type { Connection } from '../../site/connect.mts'
import { zoneOfBridge } from '../../site/zone-of-bridge.mts'
import { requireWebPackage } from './access.mts'
import { diskStoragesOf } from './data-disks.mts'
import type { WantedVm } from './design.mts'

/** @throws ProxmintError (denied) with the lines that add what is missing: better before anything is reserved. */
export async function requirePrivileges(
  { client, version }: Connection,
  work: string,
  node: string,
  design: ClonedDesign,
): Promise<void> {
  const { template, network, cards = [], cloudInit, safety, backupStorage = 'local' } = design
  const place: NewVmPlace = {
    pveMajor: version.major,
    node,
    vmid: undefined,
    diskStorages: diskStoragesOf(design),
    ...(await cardPlace(client, network)),
    furtherCards: await Promise.all(cards.slice(1).map(card => cardPlace(client, card))),
    pool: design.resourcePool,
  }
  const needs = [
    ...vmNeeds(place, template.vmid, { kind: cloudInit.delivery, storage: cloudInit.storage }),
    ...deviceNeeds(design.devices ?? []),
    ...(safety === 'backup' ? backupNeeds(place, backupStorage) : []),
  ]
  requireGranted(await checkPermissions(client, version.major, needs), work)
}

/** @throws ProxmintError (denied) as `requirePrivileges`, for other cards of a VM that exists. */
export async function requireCardPrivileges(
  { client, version }: Connection,
  work: string,
  vmid: number,
  cards: readonly CardDesign[],
): Promise<void> {
  const needs = cardNeeds(vmid, await Promise.all(cards.map(card => cardPlace(client, card))))
  requireGranted(await checkPermissions(client, version.major, needs), work)
}

async function cardPlace(
  client: ProxmoxClient,
  { bridge, vlan }: Pick<CardDesign, 'bridge' | 'vlan'>,
): Promise<CardPlace> {
  return { bridge, vlanTag: vlan ?? undefined, zone: await zoneOfBridge(client, bridge) }
}

/** A disk can grow, never shrink: better said before anything is made. */
export async function requireDisk(
  connection: Connection,
  template: { vmid: number; node: string },
  disk: number,
): Promise<void> {
  const gib = await diskOfTemplate(connection, template)
  if (gib === undefined || disk >= gib) return
  throw new ProxmintError(
    `a disk of ${disk} GiB is smaller than that of VM template ${template.vmid}, ${gib} GiB`,
    {
      hint: `--disk ${Math.ceil(gib)}, or \`disk\` in config/vm.yaml`,
      exitCode: exitCodes.usage,
    },
  )
}

/** In GiB; undefined where it does not tell. @throws ProxmintError (usage) for a VM that is no VM template. */
export async function diskOfTemplate(
  { client }: Connection,
  template: { vmid: number; node: string },
): Promise<number | undefined> {
  const config = await getVmConfig(client, template).catch(error => {
    throw isMissing(error) ? noTemplate(template, error) : error
  })
  if (config['template'] !== 1) {
    throw new ProxmintError(`VM ${template.vmid} is no VM template`, {
      hint: 'name a VM template: zx scripts/templates.mts list',
      exitCode: exitCodes.usage,
    })
  }
  const [, size, unit] = /(?:^|,)size=(\d+)([MGT])/.exec(String(config['scsi0'])) ?? []
  if (size === undefined) return undefined
  return Number(size) * { M: 1 / 1024, G: 1, T: 1024 }[unit as 'M' | 'G' | 'T']
}

/**
 * Proxmox clones to another node only what is on shared storage. Of all else the provider makes a clone where it is
 * and migrates that, which no role of ours allows.
 * @throws ProxmintError (invalid) before anything is made, or lost.
 */
export async function requireClonable(
  { client }: Connection,
  template: { vmid: number; node: string },
  node: string,
): Promise<void> {
  if (template.node === node) return
  const [config, storages] = await Promise.all([
    getVmConfig(client, template),
    listStorages(client, template.node),
  ])
  const used = storagesOfDrives(config)
  const local = storages.filter(({ storage, shared }) => used.has(storage) && shared !== 1)
  if (local.length === 0) return
  const names = local.map(({ storage }) => storage).join(', ')
  throw new ProxmintError(
    `VM template ${template.vmid} cannot be cloned to ${node}: it is on ${template.node}, on storage that is not shared`,
    {
      facts: { storage: names },
      hint:
        `add ${node} to \`places\` in the family's family.yaml and build it (docs/templates.md, Several nodes), or have ` +
        `the VM on ${template.node}`,
      exitCode: exitCodes.invalid,
    },
  )
}

function isMissing(error: unknown): boolean {
  return error instanceof ProxmoxApiError && error.status === 500 && /does not exist/.test(error.reason)
}

function noTemplate({ vmid, node }: { vmid: number; node: string }, cause: unknown): ProxmintError {
  return new ProxmintError(`there is no VM template ${vmid} on ${node}`, {
    hint: '`zx scripts/templates.mts list` shows those of the lockfile; --node says where another one is',
    cause,
    exitCode: exitCodes.usage,
  })
}

/** The delivery is decided with the reservation: better said before. */
export function requireNodeSsh({ credentials }: Connection, { cloudInit }: VmDesign): void {
  if (cloudInit.delivery !== 'snippet' || credentials.ssh !== undefined) return
  // The provider has variables of its own for it.
  if (Object.entries(process.env).some(([name, value]) => name.startsWith('PROXMOX_VE_SSH_') && value)) return
  throw new ProxmintError(
    'user-data is to travel by the SSH of the node, and the credentials have no login for it',
    {
      hint:
        'set proxmox_ssh_user and proxmox_ssh_private_key in the credentials, or, where SSH to the node is not allowed, ' +
        '`cloud_init.delivery: iso` in config/vm.yaml',
      exitCode: exitCodes.denied,
    },
  )
}

/** Better before anything is made: a key that is missing, a contract of somebody else's, a wallet that takes no tokens. */
export async function requireMintable(wanted: WantedVm, issuer: OpenIssuer): Promise<void> {
  const { access } = wanted.design
  if (access === null) return
  await requireWebPackage(wanted.template)
  if (access.mintLater) return
  // Of the right form; the entry has no id yet.
  const request = mintRequestOf({ ...wanted, id: 'none' }, access, wanted.owner!)
  await (await issuer(access)).rehearse(request)
}
