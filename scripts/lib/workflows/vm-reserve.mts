import type { Config } from '../config/load.mts'
import { loadPools, type Pool, type PoolConfig } from '../config/pools.mts'
import { loadVmDefaults, type VmDefaults } from '../config/vm-defaults.mts'
import { type Place, vmNeeds } from '../permissions/needs.mts'
import { ProxmoxApiError } from '../proxmox/errors.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { isVmidFree } from '../proxmox/is-vmid-free.mts'
import { listVms } from '../proxmox/list-vms.mts'
import type { Entry, VmDesign } from '../registry/entry.mts'
import type { Wanted } from '../registry/store.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'
import { say } from '../run/progress.mts'
import { lockfilePath, readLockfile } from '../templates/lockfile.mts'
import type { Connection } from './connect.mts'
import type { OpenIssuer } from './credential-issuer.mts'
import { checkPermissions, requireGranted } from './permission-check.mts'
import { accessDesign, requireWebPackage } from './vm-access.mts'
import { copyFor, currentVersion, designVm, type VmWishes } from './vm-design.mts'
import { userDataOf } from './vm-folder.mts'
import { mintRequestOf } from './vm-mint.mts'
import { pickNode, requireNode } from './vm-node.mts'
import type { Working } from './vm-steps.mts'

const dayMs = 24 * 60 * 60 * 1000

/**
 * Takes a name, a VMID and an address for a new VM, and writes down all that it is to be.
 * @throws ProxmintError (usage) for what cannot be had, (invalid) where there is no VM template to make it from.
 */
export async function reserveNewVm(name: string, wishes: VmWishes, working: Working): Promise<Entry> {
  const { store, connection, issuer } = working
  const [pools, defaults] = await Promise.all([loadPools(), loadVmDefaults()])
  const placed = await withNode(connection, defaults, wishes)
  const wanted = await wantedVm(connection, pools, defaults, name, placed)
  const { node, design } = wanted
  requireNodeSsh(connection, design)
  await requirePrivileges(connection, `vm create ${name}`, node, design)
  await requireDisk(connection, design.template, design.disk)
  await userDataOf(wanted, design)
  await requireMintable(wanted, issuer)
  warnOfLogins(wanted)
  const takenVmids = new Set((await listVms(connection.client)).map(vm => vm.vmid))
  for (;;) {
    const limits = {
      vmidRange: pools.vmidRange,
      takenVmids,
      takenAddresses: new Set<string>(),
      now: new Date(),
    }
    const [entry] = await store.reserve([wanted], limits)
    if (await isVmidFree(connection.client, entry!.vmid)) return entry!
    // It exists, and the API token may not see it.
    takenVmids.add(entry!.vmid)
    await store.change(name, one => ({ ...one, phase: 'destroyed' }))
  }
}

/** The delivery is decided with the reservation: better said before. */
function requireNodeSsh({ credentials }: Connection, { cloudInit }: VmDesign): void {
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
async function requireMintable(wanted: WantedVm, issuer: OpenIssuer): Promise<void> {
  const { access } = wanted.design
  if (access === null) return
  await requireWebPackage(wanted.template)
  if (access.mintLater) return
  // Of the right form; the entry has no id yet.
  const request = mintRequestOf({ ...wanted, id: 'none' }, access, wanted.owner!)
  await (await issuer(access)).rehearse(request)
}

function warnOfLogins({ name, template, design }: WantedVm): void {
  const { access, cloudInit } = design
  if (access === null && cloudInit.sshAuthorizedKeys.length === 0) {
    say(`warning: ${name} gets no SSH key, so nobody can log in: set ssh_authorized_keys in config/vm.yaml`)
  }
  if (access === null) return
  if (template === null) say(`warning: nobody can tell whether that VM template has libpam-web3 in it`)
  if (access.mintLater) say(`no wallet opens ${name} until it has a token: zx scripts/mint.mts --vm ${name}`)
}

async function withNode(
  { client, credentials }: Connection,
  defaults: VmDefaults,
  wishes: VmWishes,
): Promise<VmWishes> {
  const template = wishes.owner === undefined ? defaults.template : defaults.credential.template
  if (wishes.node !== undefined && wishes.node !== 'auto') await requireNode(client, wishes.node)
  if (wishes.node !== 'auto') return wishes
  return { ...wishes, node: await pickNode(client, credentials.storagePool, wishes, template) }
}

/** Where VMs are made unless somebody wishes otherwise. */
export interface VmPlace {
  config: Config
  credentials: { node: string; storagePool: string }
}

/** What is reserved, with all that it is to be. */
export type WantedVm = Wanted & { node: string; design: VmDesign }

/** Everything about a VM that can be told without asking Proxmox. */
export async function wantedVm(
  { config, credentials }: VmPlace,
  pools: PoolConfig,
  defaults: VmDefaults,
  name: string,
  wishes: VmWishes,
): Promise<WantedVm> {
  const node = wishes.node ?? credentials.node
  const pool = poolNamed(pools, wishes.pool ?? pools.defaultPool)
  const access = await accessDesign(name, wishes)
  const family = access === null ? defaults.template : defaults.credential.template
  const { template, version } = await templateFor(family, wishes, node)
  const place = { config, pool, template, storage: credentials.storagePool, access }
  const design = designVm(wishes, defaults, place)
  const days = wishes.expiryDays ?? pools.expiryDays
  return {
    name,
    node,
    owner: wishes.owner ?? null,
    expiresAt: new Date(Date.now() + days * dayMs).toISOString(),
    template: version,
    token: access === null ? null : { status: 'reserved', id: null, transaction: null },
    design,
    purpose: wishes.purpose ?? '',
    pool,
    vmid: wishes.vmid,
    address: wishes.address,
  }
}

function poolNamed({ pools }: PoolConfig, name: string): Pool {
  const pool = pools[name]
  if (pool !== undefined) return pool
  throw new ProxmintError(`unknown pool ${name}${didYouMean(name, Object.keys(pools))}`, {
    facts: { known: Object.keys(pools).join(', ') },
    hint: 'pools are in config/db.yaml',
    exitCode: exitCodes.usage,
  })
}

async function templateFor(
  usual: string,
  wishes: VmWishes,
  node: string,
): Promise<{ template: { vmid: number; node: string }; version: Wanted['template'] }> {
  if (wishes.templateVmid !== undefined)
    return { template: { vmid: wishes.templateVmid, node }, version: null }
  const family = wishes.template ?? usual
  const families = await readLockfile(lockfilePath())
  if (wishes.template === undefined && families[family] === undefined) throw noVersionYet(family)
  const version = currentVersion(families, family)
  return { template: copyFor(version, node), version: { family, version: version.name } }
}

/** Of the family that the config names. */
function noVersionYet(family: string): ProxmintError {
  return new ProxmintError(`the VM is to be made from ${family}, which has no version yet`, {
    hint:
      `zx scripts/build.mts ${family}; or name another VM template: --template OS, --template-vmid N. ` +
      'config/vm.yaml says which it is by default',
    exitCode: exitCodes.usage,
  })
}

/** @throws ProxmintError (denied) with the lines that add what is missing: better before anything is reserved. */
export async function requirePrivileges(
  { client, version }: Connection,
  work: string,
  node: string,
  { template, storage, network, cloudInit }: VmDesign,
): Promise<void> {
  const { bridge, vlan } = network
  const place: Place = {
    pveMajor: version.major,
    node,
    vmid: undefined,
    diskStorages: [storage],
    bridge,
    vlanTag: vlan ?? undefined,
  }
  const needs = vmNeeds(place, template.vmid, { kind: cloudInit.delivery, storage: cloudInit.storage })
  requireGranted(await checkPermissions(client, version.major, needs), work)
}

/** A disk can grow, never shrink: better said before anything is made. */
async function requireDisk(
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
    throw new ProxmintError(`VM ${template.vmid} is no VM template`, { exitCode: exitCodes.usage })
  }
  const [, size, unit] = /(?:^|,)size=(\d+)([MGT])/.exec(String(config['scsi0'])) ?? []
  if (size === undefined) return undefined
  return Number(size) * { M: 1 / 1024, G: 1, T: 1024 }[unit as 'M' | 'G' | 'T']
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
