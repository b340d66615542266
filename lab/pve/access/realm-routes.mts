/** /access/domains: realms, and the import of their users. */

import { ApiError, failure, parameterError } from '../core/errors.mts'
import { flag, optional, type RawParameters, splitList } from '../core/parameters.mts'
import { allOf, and, anyOf, world } from '../core/permission.mts'
import { parsePropertyString, printPropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import { type Route, route } from '../core/route.mts'
import { directoryFault } from './directory.mts'
import { realmId } from './formats.mts'
import {
  createParameters,
  digestOf,
  optionsOf,
  type Realm,
  type RealmType,
  realmsOf,
  requireComplete,
  SYNC_OPTIONS,
  syncFormat,
  updateParameters,
} from './realms.mts'
import { failedBecause } from './transaction.mts'

const mayAllocate = allOf('/access/realm', 'Realm.Allocate')

function hasDirectory(type: RealmType | undefined): boolean {
  return type === 'ldap' || type === 'ad'
}

/** Replaces two old flags by the option that took their place. */
function syncDefaults(text: string, dropOld: boolean): string {
  const { full, purge, ...rest } = parsePropertyString(syncFormat, text)
  const vanished = [...(full === '1' ? ['entry', 'properties'] : []), ...(purge === '1' ? ['acl'] : [])]
  if (rest['remove-vanished'] === undefined && vanished.length > 0)
    rest['remove-vanished'] = vanished.join(';')
  const old = dropOld ? {} : { ...(full !== undefined && { full }), ...(purge !== undefined && { purge }) }
  return printPropertyString(syncFormat, { ...rest, ...old })
}

/** Parameters that are not options of the realm. */
interface Change {
  realm: string
  type: RealmType | undefined
  checks: boolean
  options: RawParameters
}

function changeOf(raw: RawParameters, type: RealmType | undefined): Change {
  const {
    realm,
    password: _secret,
    'check-connection': check,
    digest,
    delete: _keys,
    type: _type,
    ...options
  } = raw
  if (check !== undefined && !hasDirectory(type))
    throw failure("'check-connection' parameter can only be set for realms of type 'ldap' or 'ad'")
  const sync = options['sync-defaults-options']
  if (hasDirectory(type) && sync !== undefined)
    options['sync-defaults-options'] = syncDefaults(String(sync), true)
  return { realm: String(realm), type, checks: check === '1', options }
}

/** Puts a realm into the state. Empty texts are lost when Proxmox writes its file. Only one realm is the default. */
function storeRealm(pve: Pve, id: string, realm: Realm): void {
  const others = { ...pve.store.state.realms }
  if (realm['default'] === 1)
    for (const [other, each] of Object.entries(others)) {
      const { default: _default, ...rest } = each
      others[other] = rest as Realm
    }
  const kept = Object.fromEntries(Object.entries(realm).filter(([, value]) => value !== '')) as Realm
  pve.store.state.realms = { ...others, [id]: kept }
}

async function requireConnection(realm: Realm): Promise<void> {
  throw failure(await directoryFault(realm))
}

async function createRealm(pve: Pve, raw: RawParameters): Promise<void> {
  const [id, type] = [String(raw['realm']), String(raw['type']) as RealmType]
  if (realmsOf(pve)[id]) throw failure(`domain '${id}' already exists`)
  if (type === 'pam' || type === 'pve') throw failure(`unable to create builtin type '${type}'`)
  const { checks, options } = changeOf(raw, type)
  const realm: Realm = { ...optionsOf(type, options), type }
  requireComplete(type, realm)
  if (checks) await requireConnection(realm)
  storeRealm(pve, id, realm)
}

async function updateRealm(pve: Pve, raw: RawParameters): Promise<void> {
  if (raw['digest'] !== undefined && raw['digest'] !== digestOf(pve))
    throw failure('detected modified configuration - file changed by other user? Try again.')
  const id = String(raw['realm'])
  const present = realmsOf(pve)[id]
  if (!present) throw failure(`domain '${id}' does not exist`)
  const { checks, options } = changeOf(raw, present.type)
  const removed = splitList(raw['delete']?.toString())
  if (removed.length === 0 && Object.keys(options).length === 0 && raw['password'] === undefined)
    throw failure('no options specified')
  const rest = Object.fromEntries(Object.entries(present).filter(([key]) => !removed.includes(key)))
  const realm: Realm = { ...rest, ...optionsOf(present.type, options), type: present.type }
  if (checks) await requireConnection(realm)
  storeRealm(pve, id, realm)
}

function requireRealmId(pve: Pve, id: string): Realm {
  const realm = realmsOf(pve)[id]
  if (!realm) throw failure(`domain '${id}' does not exist`)
  return realm
}

const realms: Route[] = [
  route({
    method: 'GET',
    path: '/access/domains',
    permission: world,
    parameters: {},
    handle: ({ pve }) =>
      Object.entries(realmsOf(pve)).map(([realm, { type, comment, default: isDefault, tfa }]) => ({
        realm,
        type,
        ...(comment !== undefined && { comment }),
        ...(isDefault === 1 && { default: 1 }),
        ...(tfa !== undefined && { tfa: /(?:^|,)type=([^,]*)/.exec(String(tfa))?.[1] }),
      })),
  }),
  route({
    method: 'POST',
    path: '/access/domains',
    permission: mayAllocate,
    parameters: createParameters,
    handle: ({ pve, raw }) => failedBecause('add auth server', () => createRealm(pve, raw)),
  }),
]

const realm: Route[] = [
  route({
    method: 'GET',
    path: '/access/domains/{realm}',
    permission: anyOf('/access/realm', 'Realm.Allocate', 'Sys.Audit'),
    parameters: { realm: realmId },
    handle({ pve, params }) {
      const found = requireRealmId(pve, params.realm)
      const sync = found['sync-defaults-options']
      return {
        ...found,
        ...(sync !== undefined && { 'sync-defaults-options': syncDefaults(String(sync), false) }),
        ...(found.type === 'pam' && { plugin: 'PVE::Auth::PAM' }),
        digest: digestOf(pve),
      }
    },
  }),
  route({
    method: 'PUT',
    path: '/access/domains/{realm}',
    permission: mayAllocate,
    parameters: updateParameters,
    handle: ({ pve, raw }) => failedBecause('update auth server', () => updateRealm(pve, raw)),
  }),
  route({
    method: 'DELETE',
    path: '/access/domains/{realm}',
    permission: mayAllocate,
    parameters: { realm: realmId },
    handle: ({ pve, params }) =>
      failedBecause('delete auth server', () => {
        if (!realmsOf(pve)[params.realm])
          throw failure(`authentication domain '${params.realm}' does not exist`)
        const { [params.realm]: _gone, ...others } = pve.store.state.realms ?? {}
        pve.store.state.realms = others
      }),
  }),
]

/** Finds what to sync, which the realm can say for all its syncs. */
function scopeOf(found: Realm, sent: string | undefined): string {
  const defaults = found['sync-defaults-options']
  const scope =
    sent ?? (defaults === undefined ? undefined : parsePropertyString(syncFormat, String(defaults))['scope'])
  if (scope === undefined)
    throw parameterError({ scope: 'Not passed as parameter and not defined in realm default sync options.' })
  return scope
}

const sync = route({
  method: 'POST',
  path: '/access/domains/{realm}/sync',
  permission: and(
    allOf('/access/realm/{realm}', 'Realm.AllocateUser'),
    allOf('/access/groups', 'User.Modify'),
  ),
  parameters: { realm: realmId, 'dry-run': optional(flag), ...SYNC_OPTIONS },
  handle({ pve, caller, params }) {
    const { realm: id, scope, 'dry-run': isTrial = false } = params
    const found = realmsOf(pve)[id]
    if (!found) throw parameterError({ realm: 'Realm does not exist.' })
    if (!hasDirectory(found.type))
      throw failure(`Cannot sync realm type '${found.type}'! Only LDAP/AD realms can be synced.`)
    scopeOf(found, scope)
    return pve.tasks.start({
      type: isTrial ? 'auth-realm-sync-test' : 'auth-realm-sync',
      id,
      authid: caller.authid,
      async work(task) {
        task.log(`${isTrial ? '(dry test run) ' : ''}starting sync for realm ${id}`)
        throw new ApiError(500, await directoryFault(found))
      },
    })
  },
})

export const accessRealmRoutes: Route[] = [...realms, ...realm, sync]
