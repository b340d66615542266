import type { Config } from '../config/load.mts'
import { type Credentials, requirePassword } from '../credentials/credentials.mts'
import { loadCredentials } from '../credentials/load.mts'
import { type Endpoint, type ProxmoxClient, passwordClient, tokenClient } from '../proxmox/client.mts'
import { getVersion, type ProxmoxVersion } from '../proxmox/get-version.mts'
import { lockfilePath } from '../templates/lockfile.mts'
import type { Cleaning } from './remove-leftovers.mts'
import { openSite, type Site } from './site.mts'

/** Site and login to its Proxmox VE. */
export interface Connection {
  site: Site
  config: Config
  credentials: Credentials
  client: ProxmoxClient
  version: ProxmoxVersion
  /** Throws a ProxmintError (locked) if the lock of the VM was lost. Undefined: no lock is held. */
  requireHeld?: () => Promise<void>
}

/** API token, or password of the user for a tool without support for tokens (Packer 1.6.x). */
export type Login = 'token' | 'password'

/** Loads config and credentials, logs in, and asks Proxmox for its version, so that a fault shows at once. */
export async function connect(login: Login = 'token', site: Site = openSite()): Promise<Connection> {
  const [config, credentials] = await Promise.all([site.config(), loadCredentials()])
  const client = clientFor(credentials, login)
  return { site, config, credentials, client, version: await getVersion(client) }
}

/** Creates a client. @param patience Other time limits than for work. */
export function clientFor(
  credentials: Credentials,
  login: Login,
  patience: Pick<Endpoint, 'timeoutMs' | 'retryDelays'> = {},
): ProxmoxClient {
  const endpoint = { ...credentials, ...patience }
  if (login === 'token') return tokenClient(endpoint, credentials)
  return passwordClient(endpoint, { user: credentials.user, password: requirePassword(credentials) })
}

/** Parameters of `removeLeftovers` for a connection. */
export function cleaningOf({ client, config }: Connection): Cleaning {
  return {
    client,
    stateDir: config.stateDir,
    lockfile: lockfilePath(),
    taskTimeoutMs: config.taskTimeoutSeconds * 1000,
  }
}
