/** `templates test`: the acceptance test of a VM template that exists. */

import { poolOfTemplate } from '../packer/build-target.mts'
import { configuredVariables } from '../packer/configured-variables.mts'
import { loadFamily } from '../packer/family.mts'
import { attributeValue, scopeOf } from '../packer/scope.mts'
import { listFamilies, loadTemplate, type Template } from '../packer/template.mts'
import { checkPermissions, requireGranted } from '../permissions/check.mts'
import type { CardPlace } from '../permissions/needs.mts'
import { getVmConfig, type VmConfig } from '../proxmox/get-vm-config.mts'
import { listVmPlaces } from '../proxmox/list-vms.mts'
import { tagsIn } from '../proxmox/tags.mts'
import { networksOf, storagesOfDisks } from '../proxmox/vm-devices.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { say } from '../run/progress.mts'
import { needsOfAcceptance } from '../site/build-needs.mts'
import { type Connection, cleaningOf, connect } from '../site/connect.mts'
import { removeLeftovers } from '../site/remove-leftovers.mts'
import { zoneOfBridge } from '../site/zone-of-bridge.mts'
import { familyIn } from '../templates/channels.mts'
import { lockfilePath, readLockfile } from '../templates/lockfile.mts'
import { type AcceptanceReport, acceptTemplate } from './accept-template.mts'
import type { AcceptanceTarget } from './clone.mts'
import { joinReports, recordTested, type TestedCopy } from './record-test.mts'

interface TestedTemplate extends AcceptanceReport {
  os: string
  name: string
  vmid: number
  node: string
  /** What the lockfile says of the test from now on; undefined if it stays as it is. */
  recorded: string | undefined
}

/**
 * Runs the acceptance test of a VM template, or of each copy of a version, and records the result of a version. No
 * channel changes.
 * @param named VMID, or a family: its candidate, otherwise its current version.
 */
export async function testTemplate(named: string, signal: AbortSignal): Promise<TestedTemplate> {
  const wanted = /^\d+$/.test(named) ? [Number(named)] : await vmidsOf(named)
  const connection = await connect()
  const targets: AcceptanceTarget[] = []
  for (const vmid of wanted) targets.push(await findTarget(connection, vmid))
  await requireTestable(connection, targets)
  for (const line of await removeLeftovers(cleaningOf(connection))) say(line)
  const tested: TestedCopy[] = []
  for (const target of targets)
    tested.push({ ...target, report: await acceptTemplate(connection, target, signal) })
  const [{ os, name, vmid, node }] = targets as [AcceptanceTarget]
  const [{ report: first }] = tested as [TestedCopy]
  const seconds = tested.reduce((sum, { report }) => sum + report.seconds, 0)
  const recorded = await recordTested(connection, tested)
  return { os, name, vmid, node, ...first, ...joinReports(tested), seconds, recorded }
}

async function requireTestable(
  { client, config, version }: Connection,
  targets: AcceptanceTarget[],
): Promise<void> {
  const needs = targets.flatMap(target =>
    needsOfAcceptance(config, target.family, { ...target, pveMajor: version.major }),
  )
  requireGranted(await checkPermissions(client, version.major, needs), `test ${targets[0]!.os}`)
}

async function findTarget(
  connection: Connection,
  vmid: number,
): Promise<AcceptanceTarget & { card: CardPlace | undefined }> {
  const vm = (await listVmPlaces(connection.client)).find(candidate => candidate.vmid === vmid)
  const config = vm && (await getVmConfig(connection.client, vm))
  if (vm === undefined || config?.['template'] !== 1) throw noTemplate(connection, vmid, vm !== undefined)
  const os = await familyOf(vmid, config)
  const [family, template] = await Promise.all([loadFamily(os), loadTemplate(os)])
  const [[storage], [card]] = [storagesOfDisks(config), networksOf(config)]
  return {
    os,
    family,
    vmid,
    node: vm.node,
    storage: storage ?? connection.credentials.storagePool,
    name: String(config['name'] ?? `VM ${vmid}`),
    pool: poolOfTemplate(template, { variables: configuredVariables(template, connection.config) }),
    card: card && { ...card, zone: await zoneOfBridge(connection.client, card.bridge) },
    buildLogin: buildLoginOf(template, {}),
  }
}

async function vmidsOf(os: string): Promise<number[]> {
  const { candidate, current } = familyIn(await readLockfile(lockfilePath()), os)
  const version = candidate ?? current
  if (version !== undefined && version !== null && version.copies.length > 0)
    return version.copies.map(({ vmid }) => vmid)
  throw new ProxmintError(`${os} has no candidate and no current version`, {
    hint: `zx scripts/build.mts ${os}; or give the VMID of a VM template`,
    exitCode: exitCodes.usage,
  })
}

function noTemplate({ client }: Connection, vmid: number, isThere: boolean): ProxmintError {
  const what = isThere
    ? `VM ${vmid} is not a VM template`
    : `there is no VM ${vmid} that ${client.identity} can see`
  return new ProxmintError(what, { hint: 'zx scripts/templates.mts list', exitCode: exitCodes.usage })
}

/** Finds the family by the tag of `build`, or by the name: `debian-20261122-61c4fd98`. */
async function familyOf(vmid: number, config: VmConfig): Promise<string> {
  const [name, tags] = [String(config['name'] ?? ''), String(config['tags'] ?? '')]
  const families = await listFamilies()
  const tagged = families.find(os => tagsIn(tags).includes(os))
  const found = tagged ?? families.find(os => new RegExp(`^${os}(-\\d{8}-.*)?$`).test(name))
  if (found !== undefined) return found
  throw new ProxmintError(`VM ${vmid} (${name}) belongs to no template family`, {
    facts: { known: families.join(', ') },
    hint: 'a tag or the beginning of the name must be a template family, whose family.yaml has the settings of the test',
    exitCode: exitCodes.usage,
  })
}

/** User of a build, by the template; undefined if only Packer can evaluate it. */
export function buildLoginOf(
  template: Template,
  variables: Record<string, string>,
): AcceptanceTarget['buildLogin'] {
  const scope = scopeOf(template, { variables })
  const users = template.sources.flatMap(({ block }) =>
    ['ssh_username', 'winrm_username'].map(name => attributeValue(template, block, name, scope)),
  )
  const user = users.find(one => typeof one === 'string' && one !== '')
  return user === undefined ? undefined : { user: String(user) }
}

/** Text of the report: a line per check. */
export function formatAcceptance({ name, vmid, passed, seconds, checks, recorded }: TestedTemplate): string {
  const width = Math.max(...checks.map(check => check.name.length))
  const lines = checks.map(
    check => `${check.passed ? 'ok    ' : 'FAILED'}  ${check.name.padEnd(width)}  ${check.detail}`,
  )
  const failed = checks.filter(check => !check.passed).length
  const verdict = passed ? 'passed' : `failed ${failed} of ${checks.length} checks`
  const summary = `${name} (VM ${vmid}) ${verdict}, in ${seconds.toFixed(1)} s`
  return [...lines, summary, ...(recorded === undefined ? [] : [recorded])].join('\n')
}
