import { issuers } from '../credential/issuer.mts'
import { asksOnce } from '../proxmox/asks-once.mts'
import { requireEntry } from '../registry/revise.mts'
import type { RegistryStore } from '../registry/store.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { connect } from '../site/connect.mts'
import { withRegistry } from '../site/open-registry.mts'
import { openSite, type Site } from '../site/site.mts'
import type { VmContext } from './context.mts'

/**
 * Opens the registry for work on VMs, and not on their entries alone.
 * @throws ProxmintError (invalid) as `requireSharedStates`.
 */
export async function withVmRegistry<T>(
  site: Site,
  purpose: string,
  work: (store: RegistryStore) => Promise<T>,
): Promise<T> {
  await requireSharedStates(site)
  return withRegistry(site, purpose, work)
}

/**
 * Opens the registry and logs in to Proxmox for work on VMs.
 * @param names of VMs; where the registry has none of them, this throws before the login.
 */
export async function withVms<T>(
  purpose: string,
  signal: AbortSignal,
  work: (context: VmContext) => Promise<T>,
  names: string[] = [],
  site: Site = openSite(),
): Promise<T> {
  return withVmRegistry(site, purpose, async store => {
    await requireAny(store, names)
    return work(await openContext(store, site, signal))
  })
}

async function requireAny(store: RegistryStore, names: string[]): Promise<void> {
  const found = await Promise.all(names.map(name => store.find(name)))
  if (names[0] !== undefined && found.every(entry => entry === undefined)) await requireEntry(store, names[0])
}

/** Logs in to Proxmox for work on VMs of an open registry. */
export async function openContext(store: RegistryStore, site: Site, signal: AbortSignal): Promise<VmContext> {
  const connection = await connect('token', site)
  const checks = { ...connection, client: asksOnce(connection.client) }
  return { store, connection, checks, issuer: issuers(site, signal), signal }
}

/** @throws ProxmintError (invalid) where other machines share the registry, and not the states of Terraform. */
export async function requireSharedStates(site: Site): Promise<void> {
  const [place, backend] = await Promise.all([site.registryPlace(), site.backend()])
  if (place.kind === 'file' || backend.type !== 'local') return
  throw new ProxmintError(
    'the registry is in PostgreSQL, and the states of Terraform are on this machine alone',
    {
      hint:
        'another machine would find a VM in the registry that its Terraform does not know. Set a backend in ' +
        'config/terraform.yaml: pg, s3 or http',
      exitCode: exitCodes.invalid,
    },
  )
}
