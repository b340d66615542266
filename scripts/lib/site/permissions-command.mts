/** The command `check-permissions`: asks Proxmox, or reads a saved answer. */
import { loadCredentials } from '../credentials/load.mts'
import { listFamilies, type Template } from '../packer/template.mts'
import { checkSavedPermissions, withCommonRemedy } from '../permissions/check.mts'
import { loadPermissionTree } from '../permissions/granted.mts'
import { acceptanceNeeds, baseImportNeeds, cloneBuildNeeds, type Need } from '../permissions/needs.mts'
import { needsOfVms } from '../permissions/work-needs.mts'
import { asksOnce } from '../proxmox/asks-once.mts'
import { getPermissions, type PermissionTree } from '../proxmox/get-permissions.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { say } from '../run/progress.mts'
import { findTool } from '../tools/find.mts'
import { loadCheckedTemplate, requireFamily } from './checked-template.mts'
import { type Connection, connect, type Login } from './connect.mts'
import { openSite } from './site.mts'
import { checkBaseImport, checkBuild, checkVms, loginOf, type WorkVerdict } from './work-permissions.mts'

/**
 * Checks the named template families and the base import, with the identities that will do the work. VMs are checked
 * too if no family is named.
 * @param families if empty: the families that clone an image. An installation from a medium needs more privileges,
 * and nobody should be asked to grant them unless they want it.
 * @param saveTo file for Proxmox's whole answer about the API token, which `--from` reads.
 */
export async function checkAll(families: string[], saveTo: string | undefined): Promise<WorkVerdict[]> {
  for (const os of families) await requireFamily(os)
  const isForAll = families.length === 0
  const site = openSite()
  const login = loginOf(await findTool('packer'))
  const token = await connect('token', site)
  if (saveTo !== undefined) await save(saveTo, await getPermissions(token.client))
  const templates = isForAll ? await clonedTemplates() : await checkedTemplates(families)
  const ours = { ...token, client: asksOnce(token.client) }
  const packers = await packerConnection(ours, login, isForAll)
  const works = await Promise.all([
    ...(packers === undefined ? [] : templates.map(template => checkBuild(packers, template))),
    checkBaseImport(ours),
    ...(isForAll ? [checkVms(ours)] : []),
  ])
  return withCommonRemedy(works)
}

/**
 * Logs in as Packer does. Undefined if nobody asked for a build and Packer cannot log in: VMs and imports need no Packer.
 * @throws ProxmintError (denied) if Packer cannot log in, and a build is asked for.
 */
async function packerConnection(
  ours: Connection,
  login: Login,
  isForAll: boolean,
): Promise<Connection | undefined> {
  if (login === 'token') return ours
  if (isForAll && ours.credentials.password === undefined) {
    say(
      'note: builds are not checked: this Packer (1.6.x) knows no API tokens, and the credentials hold no password',
    )
    return undefined
  }
  const packers = await connect(login, ours.site)
  return { ...packers, client: asksOnce(packers.client) }
}

function checkedTemplates(names: string[]): Promise<Template[]> {
  return Promise.all(names.map(os => loadCheckedTemplate(os)))
}

async function clonedTemplates(): Promise<Template[]> {
  const templates = await checkedTemplates(await listFamilies())
  return templates.filter(({ sources }) => sources.some(({ type }) => type === 'proxmox-clone'))
}

async function save(file: string, tree: PermissionTree): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(tree, null, 2)}\n`)
}

interface SavedCheck {
  file: string
  /** Identity whose permissions were saved; it only appears in the output. */
  identity: string
  /** Undefined: concluded from the privileges in the file. */
  pveMajor: number | undefined
  /** Undefined: from the credentials. */
  node: string | undefined
  storage: string | undefined
}

/** A family that asks for everything its acceptance test can. */
const ANY_FAMILY = { login: 'ssh', agent: true } as const

/** Checks a saved answer in the same way; Proxmox is not asked. */
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
        ...acceptanceNeeds(place, undefined, ANY_FAMILY, config.imageStorage),
      ],
    ],
    ['base import', baseImportNeeds(place, config.imageStorage)],
    ['vm create', needsOfVms(config, pools, defaults, { pveMajor, node, storagePool })],
  ]
  const verdicts = works.map(async ([work, needs]) => ({
    work,
    verdict: await checkSavedPermissions(check.file, check.identity, pveMajor, needs),
  }))
  return withCommonRemedy(await Promise.all(verdicts))
}

async function placeOf({ node, storage }: SavedCheck): Promise<{ node: string; storagePool: string }> {
  if (node !== undefined && storage !== undefined) return { node, storagePool: storage }
  const credentials = await loadCredentials()
  return { node: node ?? credentials.node, storagePool: storage ?? credentials.storagePool }
}

/** Proxmox VE 9 has no VM.Monitor; nothing else distinguishes the versions. */
function majorOf(tree: PermissionTree): number {
  return Object.values(tree).some(privileges => 'VM.Monitor' in privileges) ? 8 : 9
}
