import type { Credentials } from '../credentials/credentials.mts'
import { asksOnce } from '../proxmox/asks-once.mts'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { getVersion, type ProxmoxVersion } from '../proxmox/get-version.mts'
import { clientFor, type Login } from '../site/connect.mts'
import type { Site } from '../site/site.mts'
import { loginOf } from '../site/work-permissions.mts'
import type { Search } from '../tools/find.mts'
import { toolNames } from '../tools/pins.mts'
import { type Look, lookWith } from './look.mts'

/** Long for a server that is well, short for a person who waits. */
const PATIENCE = { timeoutMs: 10_000, retryDelays: [] }
const NO_CREDENTIALS = 'without credentials nobody can be asked'
const NO_ANSWER = 'Proxmox VE could not be asked'

/** Login that worked. */
export interface Session {
  site: Site
  credentials: Credentials
  /** Sends each question once. */
  client: ProxmoxClient
  version: ProxmoxVersion
}

/** Logs in and asks Proxmox VE for its version. */
export async function logIn(
  site: Site,
  credentials: Promise<Look<Credentials>>,
  login: Login,
): Promise<Look<Session>> {
  return lookWith(credentials, NO_CREDENTIALS, async credentials => {
    const client = asksOnce(clientFor(credentials, login, PATIENCE))
    return { site, credentials, client, version: await getVersion(client) }
  })
}

/** Logs in as Packer does. Returns `session` if Packer uses the API token too, or if that login failed. */
export async function logInAsPacker(
  credentials: Promise<Look<Credentials>>,
  session: Promise<Look<Session>>,
  searches: Promise<Look<Search[]>>,
): Promise<Look<Session>> {
  const [found, token] = await Promise.all([searches, session])
  const packer = 'value' in found ? found.value[toolNames.indexOf('packer')]?.tool : undefined
  // A server that does not answer one login does not answer the other.
  if (loginOf(packer) === 'token' || !('value' in token)) return token
  return logIn(token.value.site, credentials, 'password')
}

/** Asks Proxmox VE with a login that worked. */
export function lookInProxmox<T>(
  session: Promise<Look<Session>>,
  work: (session: Session) => Promise<T>,
): Promise<Look<T>> {
  return lookWith(session, NO_ANSWER, work)
}
