/** Compares the needs of each kind of work with the privileges of the identity that does it. */
import { buildTarget } from '../packer/build-target.mts'
import { configuredVariables } from '../packer/configured-variables.mts'
import { loadFamily } from '../packer/family.mts'
import type { Template } from '../packer/template.mts'
import { checkPermissions } from '../permissions/check.mts'
import type { CardPlace, Need } from '../permissions/needs.mts'
import type { PermissionVerdict } from '../permissions/verdict.mts'
import { needsOfBaseImport, needsOfVms } from '../permissions/work-needs.mts'
import type { Tool } from '../tools/tool.mts'
import { cardAndPoolOf, findBase, needsOfAcceptance, needsOfBuild } from './build-needs.mts'
import type { Connection, Login } from './connect.mts'
import { zoneOfBridge } from './zone-of-bridge.mts'

/** One kind of work, such as `build debian`, and the privileges found for it. */
export interface WorkVerdict {
  work: string
  verdict: PermissionVerdict
}

/** Chooses how Packer logs in. */
export function loginOf(packer: Tool | undefined): Login {
  return packer?.dialect === 'packaged' ? 'password' : 'token'
}

/** Checks what the build of a family and the acceptance test of its version need. */
export async function checkBuild(connection: Connection, template: Template): Promise<WorkVerdict> {
  const { client, config, credentials, version } = connection
  const family = await loadFamily(template.os)
  const environment = { ...process.env, PROXMOX_STORAGE_POOL: credentials.storagePool }
  const variables = configuredVariables(template, config)
  const target = buildTarget(template, { env: environment, variables })
  const base = await findBase(client, target.baseName, credentials.node)
  const place = { node: credentials.node, pveMajor: version.major }
  const made = await cardAndPoolOf(client, target)
  const tested = { ...place, ...made, storage: credentials.storagePool, vmid: undefined }
  const needs = [
    ...(await needsOfBuild(client, target, place, base)),
    ...needsOfAcceptance(config, family, tested),
  ]
  return verdictOf(connection, `build ${template.os}`, needs)
}

/** Checks what `base import` needs. */
export async function checkBaseImport(connection: Connection): Promise<WorkVerdict> {
  const { client, config, credentials, version } = connection
  const zone = await zoneOfBridge(client, config.bridge)
  const needs = needsOfBaseImport(config, { ...credentials, pveMajor: version.major, zone })
  return verdictOf(connection, 'base import', needs)
}

/** Checks what `vm create`, `apply`, `gc` and `vm destroy` need. */
export async function checkVms(connection: Connection): Promise<WorkVerdict> {
  const { site, client, config, credentials, version } = connection
  const [pools, defaults] = await Promise.all([site.pools(), site.vmDefaults()])
  const bridge = pools.pools[pools.defaultPool]?.bridge ?? config.bridge
  const zone = await zoneOfBridge(client, bridge)
  const furtherCards = await Promise.all(
    (defaults.networks ?? []).slice(1).map(async (card): Promise<CardPlace> => {
      const pool = pools.pools[card.pool ?? card.pool6 ?? '']
      const bridge = card.bridge ?? pool?.bridge ?? config.bridge
      const vlanTag = card.vlan ?? (card.bridge === undefined ? pool?.vlan : undefined)
      return { bridge, vlanTag, zone: await zoneOfBridge(client, bridge) }
    }),
  )
  const place = { ...credentials, pveMajor: version.major, zone, furtherCards }
  const needs = needsOfVms(config, pools, defaults, place)
  return verdictOf(connection, 'vm create', needs)
}

async function verdictOf({ client, version }: Connection, work: string, needs: Need[]): Promise<WorkVerdict> {
  return { work, verdict: await checkPermissions(client, version.major, needs) }
}
