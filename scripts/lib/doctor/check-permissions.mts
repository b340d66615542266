import { needsOfAcceptance } from '../acceptance/needs.mts'
import { loadCredentials } from '../credentials/load.mts'
import { buildTarget } from '../packer/build-target.mts'
import { loadFamily } from '../packer/family.mts'
import { listFamilies, type Template } from '../packer/template.mts'
import { checkPermissions, checkSavedPermissions, type PermissionVerdict } from '../permissions/check.mts'
import { loadPermissionTree } from '../permissions/granted.mts'
import { acceptanceNeeds, baseImportNeeds, cloneBuildNeeds, type Need } from '../permissions/needs.mts'
import { needsOfBaseImport, needsOfVms } from '../permissions/work-needs.mts'
import { asksOnce } from '../proxmox/asks-once.mts'
import { getPermissions, type PermissionTree } from '../proxmox/get-permissions.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { findBase, needsOfBuild } from '../site/build-needs.mts'
import { loadCheckedTemplate, requireFamily } from '../site/checked-template.mts'
import { type Connection, connect, type Login } from '../site/connect.mts'
import { openSite } from '../site/site.mts'
import { findTool } from '../tools/find.mts'
import type { Tool } from '../tools/tool.mts'

/** One kind of work and what was found about it. */
export interface WorkVerdict {
  work: string
  verdict: PermissionVerdict
}

/**
 * Checks, with the identities that will do the work, every template family asked for and the base import; VMs too
 * where no family is asked for.
 * @param families where none is named: those that clone an image. Installing from a medium needs more
 * privileges, which nobody should be told to grant without wanting it.
 * @param saveTo file for Proxmox's whole answer about the API token, which `--from` reads.
 */
export async function checkAll(families: string[], saveTo: string | undefined): Promise<WorkVerdict[]> {
  for (const os of families) await requireFamily(os)
  const names = families.length > 0 ? families : await clonedFamilies()
  const site = openSite()
  const login = loginOf(await findTool('packer'))
  const token = await connect('token', site)
  if (saveTo !== undefined) await save(saveTo, await getPermissions(token.client))
  const builder = login === 'token' ? token : await connect(login, site)
  const ours = { ...token, client: asksOnce(token.client) }
  const packers = login === 'token' ? ours : { ...builder, client: asksOnce(builder.client) }
  const vms = families.length > 0 ? [] : [checkVms(ours)]
  return Promise.all([...names.map(os => checkBuild(packers, os)), checkBaseImport(ours), ...vms])
}

/** How Packer logs in. */
export function loginOf(packer: Tool | undefined): Login {
  return packer?.dialect === 'packaged' ? 'password' : 'token'
}

/** What `base import` needs. */
export async function checkBaseImport({
  client,
  config,
  credentials,
  version,
}: Connection): Promise<WorkVerdict> {
  const needs = needsOfBaseImport(config, { ...credentials, pveMajor: version.major })
  return { work: 'base import', verdict: await checkPermissions(client, version.major, needs) }
}

/** What `vm create`, `apply`, `gc` and `vm destroy` need. */
export async function checkVms({
  client,
  site,
  config,
  credentials,
  version,
}: Connection): Promise<WorkVerdict> {
  const [pools, defaults] = await Promise.all([site.pools(), site.vmDefaults()])
  const needs = needsOfVms(config, pools, defaults, { ...credentials, pveMajor: version.major })
  return { work: 'vm create', verdict: await checkPermissions(client, version.major, needs) }
}

async function clonedFamilies(): Promise<string[]> {
  const templates = await Promise.all((await listFamilies()).map(os => loadCheckedTemplate(os)))
  return templates
    .filter(({ sources }) => sources.some(({ type }) => type === 'proxmox-clone'))
    .map(({ os }) => os)
}

/** What building a family and testing what was built needs. */
export async function checkBuild(
  { client, config, credentials, version }: Connection,
  os: string,
  loaded?: Template,
): Promise<WorkVerdict> {
  const [template, family] = await Promise.all([loaded ?? loadCheckedTemplate(os), loadFamily(os)])
  const environment = { ...process.env, PROXMOX_STORAGE_POOL: credentials.storagePool }
  const target = buildTarget(template, {}, environment)
  const base = await findBase(client, target.baseName, credentials.node)
  const place = { node: credentials.node, pveMajor: version.major }
  const tested = { ...place, storage: credentials.storagePool, vmid: undefined }
  const needs = [
    ...(await needsOfBuild(client, target, place, base)),
    ...needsOfAcceptance(config, family, tested),
  ]
  return { work: `build ${os}`, verdict: await checkPermissions(client, version.major, needs) }
}

async function save(file: string, tree: PermissionTree): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(tree, null, 2)}\n`)
}

export interface SavedCheck {
  file: string
  /** Whose permissions were saved; only for the lines that are printed. */
  identity: string
  /** Undefined: told from the privileges in the file. */
  pveMajor: number | undefined
  /** Undefined: from the credentials. */
  node: string | undefined
  storage: string | undefined
}

/** Of a family that asks for everything its acceptance test can. */
const anyFamily = { login: 'ssh', agent: true } as const

/** The same checks against a saved answer; Proxmox is not asked. */
export async function checkSaved(check: SavedCheck): Promise<WorkVerdict[]> {
  const site = openSite()
  const [config, pools, defaults] = await Promise.all([site.config(), site.pools(), site.vmDefaults()])
  const { node, storagePool } = await placeOf(check)
  const pveMajor = check.pveMajor ?? majorOf(await loadPermissionTree(check.file))
  const place = { pveMajor, node, vmid: undefined, diskStorages: [storagePool], bridge: config.bridge }
  const works: [string, Need[]][] = [
    [
      'build',
      [
        ...cloneBuildNeeds(place, undefined, true),
        ...acceptanceNeeds(place, undefined, anyFamily, config.imageStorage),
      ],
    ],
    ['base import', baseImportNeeds(place, config.imageStorage)],
    ['vm create', needsOfVms(config, pools, defaults, { pveMajor, node, storagePool })],
  ]
  return Promise.all(
    works.map(async ([work, needs]) => ({
      work,
      verdict: await checkSavedPermissions(check.file, check.identity, pveMajor, needs),
    })),
  )
}

async function placeOf({ node, storage }: SavedCheck): Promise<{ node: string; storagePool: string }> {
  if (node !== undefined && storage !== undefined) return { node, storagePool: storage }
  const credentials = await loadCredentials()
  return { node: node ?? credentials.node, storagePool: storage ?? credentials.storagePool }
}

/** VM.Monitor is gone in 9; nothing else tells the versions apart. */
function majorOf(tree: PermissionTree): number {
  return Object.values(tree).some(privileges => 'VM.Monitor' in privileges) ? 8 : 9
}
