/** Keeps a run that lost the lock of a VM from writing anything: to the registry, to Proxmox, to the chain. */
import type { CredentialIssuer, OpenIssuer } from '../credential/issuer.mts'
import type { ProxmoxClient } from '../proxmox/client.mts'
import type { RegistryStore } from '../registry/store.mts'
import type { Connection } from '../site/connect.mts'

/** @throws ProxmintError (locked) if the lock was lost. */
type RequireHeld = () => Promise<void>

/** Part of a context that work under a lock needs. */
export interface Lockable {
  store: RegistryStore
  issuer: OpenIssuer
  connection?: Connection
  signal?: AbortSignal
}

/** Context whose writes look at the lock first. Its signal aborts also when the loss of the lock is noticed. */
export function fenced<C extends Lockable>(context: C, lost: AbortSignal, requireHeld: RequireHeld): C {
  const { store, issuer, connection, signal } = context
  return {
    ...context,
    store: fencedStore(store, requireHeld),
    issuer: async place => fencedIssuer(await issuer(place), requireHeld),
    ...(connection && { connection: fencedConnection(connection, requireHeld) }),
    signal: signal === undefined ? lost : AbortSignal.any([signal, lost]),
  }
}

function fencedStore(store: RegistryStore, requireHeld: RequireHeld): RegistryStore {
  return {
    ...store,
    change: async (read, revise) => {
      await requireHeld()
      return store.change(read, revise)
    },
    reserveFurther: async (read, wanted, limits, revise) => {
      await requireHeld()
      return store.reserveFurther(read, wanted, limits, revise)
    },
    renumber: async (read, limits) => {
      await requireHeld()
      return store.renumber(read, limits)
    },
    reserveSpare: async (read, limits, revise) => {
      await requireHeld()
      return store.reserveSpare(read, limits, revise)
    },
  }
}

function fencedConnection(connection: Connection, requireHeld: RequireHeld): Connection {
  const { client } = connection
  const fencedClient: ProxmoxClient = {
    ...client,
    request: async (method, path, parameters) => {
      if (method !== 'GET') await requireHeld()
      return client.request(method, path, parameters)
    },
    upload: async (path, form) => {
      await requireHeld()
      return client.upload(path, form)
    },
  }
  return { ...connection, client: fencedClient, requireHeld }
}

function fencedIssuer(issuer: CredentialIssuer, requireHeld: RequireHeld): CredentialIssuer {
  return {
    ...issuer,
    mint: async request => {
      await requireHeld()
      return issuer.mint(request)
    },
    setExpiry: async (tokenId, expiresAt) => {
      await requireHeld()
      return issuer.setExpiry(tokenId, expiresAt)
    },
    encryptForOwner: async (tokenId, secret) => {
      await requireHeld()
      return issuer.encryptForOwner(tokenId, secret)
    },
  }
}
