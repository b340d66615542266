import type { Config } from '../config/load.mts'
import { type Credentials, requirePassword } from '../credentials/credentials.mts'
import { loadCredentials } from '../credentials/load.mts'
import { type Endpoint, type ProxmoxClient, passwordClient, tokenClient } from '../proxmox/client.mts'
import { getVersion, type ProxmoxVersion } from '../proxmox/get-version.mts'
import { lockfilePath } from '../templates/lockfile.mts'
import type { Cleaning } from './remove-leftovers.mts'
import { openSite, type Site } from './site.mts'

/** A site and the login to its Proxmox VE. */
export interface Connection {
  site: Site
  config: Config
  credentials: Credentials
  client: ProxmoxClient
  version: ProxmoxVersion
}

/** How the work logs in: with the API token, or as the user where the tool knows no tokens. */
export type Login = 'token' | 'password'

/** Loads config and credentials, logs in, and asks Proxmox for its version: proof that all of it is right. */
export async function connect(login: Login = 'token', site: Site = openSite()): Promise<Connection> {
  const [config, credentials] = await Promise.all([site.config(), loadCredentials()])
  const client = clientFor(credentials, login)
  return { site, config, credentials, client, version: await getVersion(client) }
}

/** @param patience how long it waits, where that is not to be as for work. */
export function clientFor(
  credentials: Credentials,
  login: Login,
  patience: Pick<Endpoint, 'timeoutMs' | 'retryDelays'> = {},
): ProxmoxClient {
  const endpoint = { ...credentials, ...patience }
  if (login === 'token') return tokenClient(endpoint, credentials)
  return passwordClient(endpoint, { user: credentials.user, password: requirePassword(credentials) })
}

/** What removing leftovers needs of a connection. */
export function cleaningOf({ client, config }: Connection): Cleaning {
  return {
    client,
    stateDir: config.stateDir,
    lockfile: lockfilePath(),
    taskTimeoutMs: config.taskTimeoutSeconds * 1000,
  }
}
