import type { Config } from '../config/load.mts'
import { type PoolConfig, POOL_FILE } from '../config/pools.mts'
import type { VmDefaults } from '../config/vm-defaults.mts'
import type { Credentials } from '../credentials/credentials.mts'
import { loadCredentials } from '../credentials/load.mts'
import type { Template } from '../packer/template.mts'
import { asksOnce } from '../proxmox/asks-once.mts'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { getVersion, type ProxmoxVersion } from '../proxmox/get-version.mts'
import { listBridges } from '../proxmox/list-bridges.mts'
import { listNodes } from '../proxmox/list-nodes.mts'
import { listStorages, type StorageSummary } from '../proxmox/list-storages.mts'
import { listVms } from '../proxmox/list-vms.mts'
import { type Connection, clientFor, type Login } from '../site/connect.mts'
import type { WantedStorage } from '../site/require-storages.mts'
import type { Site } from '../site/site.mts'
import type { Search } from '../tools/find.mts'
import { checkBaseImport, checkBuild, checkVms, loginOf, type WorkVerdict } from './check-permissions.mts'
import {
  type Facts,
  type FamilyFact,
  type Gathered,
  gather,
  gatherWith,
  type WantedBridge,
} from './facts.mts'
import { tryNodeSsh } from './ssh.mts'

/** Long for a server that is well, short for somebody who waits. */
const patience = { timeoutMs: 10_000, retryDelays: [] }
const noCredentials = 'without credentials nobody can be asked'
const noAnswer = 'Proxmox VE could not be asked'
const noConfig = 'the config cannot be read'

export interface Configs {
  site: Site
  config: Gathered<Config>
  pools: Gathered<PoolConfig>
  defaults: Gathered<VmDefaults>
}

/** Reading a template takes long enough to do it once. */
export type LoadedFamily = FamilyFact & { template: Template }

/** A login that worked. */
interface Session {
  site: Site
  credentials: Credentials
  client: ProxmoxClient
  version: ProxmoxVersion
}

type ProxmoxFacts = Pick<
  Facts,
  | 'credentials'
  | 'logins'
  | 'clockAheadMs'
  | 'permissions'
  | 'node'
  | 'storages'
  | 'bridges'
  | 'vms'
  | 'nodeSsh'
>

/** All that Proxmox and its nodes are asked, as far as the credentials lead. */
export async function gatherProxmox(
  configs: Configs,
  families: Promise<Gathered<LoadedFamily>[]>,
  packer: Promise<Search>,
): Promise<ProxmoxFacts> {
  const credentials = await gather(() => loadCredentials())
  const session = await logIn(configs.site, credentials, 'token')
  const look = <T,>(work: (session: Session) => Promise<T>) => gatherWith(session, noAnswer, work)
  const builder = builderSession(credentials, session, packer)
  const delivery = 'value' in configs.defaults ? configs.defaults.value.cloudInit.delivery : undefined
  const [clockAheadMs, permissions, node, storages, bridges, vms, nodeSsh, builderLogin] = await Promise.all([
    look(({ client }) => clockAhead(client)),
    gatherPermissions(configs.config, session, builder, families),
    look(async ({ client, credentials }) => ({ wanted: credentials.node, found: await listNodes(client) })),
    look(one => lookAtStorages(one, configs)),
    look(one => lookAtBridges(one, configs)),
    look(({ client }) => listVms(client)),
    delivery === 'snippet' ? look(one => tryNodeSsh(one.client, one.credentials)) : undefined,
    builder,
  ])
  const logins = await Promise.all([session, builderLogin].map(loginFact))
  return { credentials, logins, clockAheadMs, permissions, node, storages, bridges, vms, nodeSsh }
}

function logIn(site: Site, credentials: Gathered<Credentials>, login: Login): Promise<Gathered<Session>> {
  return gatherWith(credentials, noCredentials, async credentials => {
    const client = asksOnce(clientFor(credentials, login, patience))
    return { site, credentials, client, version: await getVersion(client) }
  })
}

/** Packer's login, where it is another one. */
async function builderSession(
  credentials: Gathered<Credentials>,
  session: Gathered<Session>,
  packer: Promise<Search>,
): Promise<Gathered<Session>> {
  const { tool } = await packer
  // What the one could not reach, the other cannot either.
  if (loginOf(tool) === 'token' || !('value' in session)) return session
  return logIn(session.value.site, credentials, 'password')
}

function loginFact(session: Gathered<Session>): Promise<Facts['logins'][number]> {
  if ('error' in session) return Promise.resolve(session)
  return gatherWith(session, noAnswer, async ({ client, version }) => ({
    identity: client.identity,
    ...version,
  }))
}

/** Proxmox tells whole seconds: on average the half of one has passed. */
async function clockAhead(client: ProxmoxClient): Promise<number | undefined> {
  const before = Date.now()
  const theirs = await client.time()
  return theirs === undefined ? undefined : theirs.getTime() + 500 - (before + Date.now()) / 2
}

async function gatherPermissions(
  config: Gathered<Config>,
  session: Gathered<Session>,
  builder: Promise<Gathered<Session>>,
  families: Promise<Gathered<LoadedFamily>[]>,
): Promise<Gathered<WorkVerdict>[]> {
  const cloned = (await families).flatMap(one =>
    'value' in one && one.value.baseName !== undefined ? [one.value] : [],
  )
  const check = (one: Gathered<Session>, work: (connection: Connection) => Promise<WorkVerdict>) =>
    gatherWith(config, noConfig, async config => ({ config })).then(async given =>
      'value' in given ? gatherWith(one, noAnswer, session => work({ ...session, ...given.value })) : given,
    )
  const forPacker = await builder
  return Promise.all([
    ...cloned.map(({ os, template }) => check(forPacker, one => checkBuild(one, os, template))),
    check(session, checkBaseImport),
    check(session, checkVms),
  ])
}

async function lookAtStorages(
  { client, credentials }: Session,
  { config, defaults }: Configs,
): Promise<{ identity: string; node: string; wanted: WantedStorage[]; found: StorageSummary[] }> {
  const { node, storagePool } = credentials
  const wanted: WantedStorage[] = [
    { storage: storagePool, contents: ['images'], setBy: 'proxmox_storage_pool in the credentials' },
  ]
  if ('value' in config) {
    const { imageStorage: storage } = config.value
    wanted.push({ storage, contents: ['import', 'iso'], setBy: 'image_storage in config/proxmint.yaml' })
  }
  if ('value' in defaults) {
    const { storage, delivery } = defaults.value.cloudInit
    const contents = [delivery === 'snippet' ? 'snippets' : 'iso']
    wanted.push({ storage, contents, setBy: '`storage` of `cloud_init` in config/vm.yaml' })
  }
  return { identity: client.identity, node, wanted: merged(wanted), found: await listStorages(client, node) }
}

/** Each storage once: of two lines that set what it allows, the second would undo the first. */
function merged(wanted: WantedStorage[]): WantedStorage[] {
  return [...Map.groupBy(wanted, ({ storage }) => storage)].map(([storage, uses]) => ({
    storage,
    contents: [...new Set(uses.flatMap(({ contents }) => contents))],
    setBy: uses.map(({ setBy }) => setBy).join(' and '),
  }))
}

async function lookAtBridges(
  { client, credentials: { node } }: Session,
  { config, pools }: Configs,
): Promise<{ node: string; wanted: WantedBridge[]; found: string[] }> {
  const ours =
    'value' in config ? [{ bridge: config.value.bridge, setBy: '`bridge` in config/proxmint.yaml' }] : []
  const all = 'value' in pools ? Object.values(pools.value.pools) : []
  const theirs = all.flatMap(({ name, bridge }) =>
    bridge === undefined ? [] : [{ bridge, setBy: `\`bridge\` of the pool ${name} in ${POOL_FILE}` }],
  )
  return { node, wanted: [...ours, ...theirs], found: await listBridges(client, node) }
}
