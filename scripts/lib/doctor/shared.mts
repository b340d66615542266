/** Looks that several checks need: each begins once, at the start of the run. */
import type { Config } from '../config/load.mts'
import type { PoolConfig } from '../config/pools.mts'
import type { VmDefaults } from '../config/vm-defaults.mts'
import type { Web3Config } from '../config/web3.mts'
import type { Credentials } from '../credentials/credentials.mts'
import { loadCredentials } from '../credentials/load.mts'
import { listVms, type VmSummary } from '../proxmox/list-vms.mts'
import { openSite, type Site } from '../site/site.mts'
import type { WorkVerdict } from '../site/work-permissions.mts'
import type { Families } from '../templates/version.mts'
import { type Search, searchTool } from '../tools/find.mts'
import { toolNames } from '../tools/pins.mts'
import { type LoadedFamily, lookAtFamilies } from './families.mts'
import { type Look, lookAt } from './look.mts'
import { lookAtPermissions } from './permissions.mts'
import { logIn, logInAsPacker, lookInProxmox, type Session } from './session.mts'

export interface SharedLooks {
  /** Reads each file of the config once. */
  site: Site
  config: Promise<Look<Config>>
  pools: Promise<Look<PoolConfig>>
  defaults: Promise<Look<VmDefaults>>
  web3: Promise<Look<Web3Config>>
  /** Versions of the VM templates. */
  lockfile: Promise<Look<Families>>
  /** One per name of `toolNames`, in that order. */
  searches: Promise<Look<Search[]>>
  /** One per folder of packer/. */
  families: Promise<Look<LoadedFamily>[]>
  credentials: Promise<Look<Credentials>>
  /** Login with the API token. */
  session: Promise<Look<Session>>
  /** Login of Packer: with the password if its version knows no API tokens. */
  packerSession: Promise<Look<Session>>
  /** One per kind of work. */
  permissions: Promise<Look<WorkVerdict>[]>
  /** VMs that the API token can see. */
  vms: Promise<Look<VmSummary[]>>
}

/** Begins all shared looks at the same time. */
export function startSharedLooks(): SharedLooks {
  const site = openSite()
  const searches = lookAt(() => Promise.all(toolNames.map(name => searchTool(name))))
  const config = lookAt(site.config)
  const pools = lookAt(site.pools)
  const defaults = lookAt(site.vmDefaults)
  const families = lookAtFamilies()
  const credentials = lookAt(() => loadCredentials())
  const session = logIn(site, credentials, 'token')
  const packerSession = logInAsPacker(credentials, session, searches)
  return {
    ...{ site, searches, config, pools, defaults, families, credentials, session, packerSession },
    web3: lookAt(site.web3),
    lockfile: lookAt(site.families),
    permissions: lookAtPermissions({ config, families, session, packerSession }),
    vms: lookInProxmox(session, ({ client }) => listVms(client)),
  }
}
